/// A record of one sibling and no sections, the common case: where its parts lie, read without allocating.
struct SoleRecord {
    let contextCount: Int
    /// Where the context's first entry lies.
    let firstEntry: Int
    let first: VersionVector.Entry
    let sibling: RecordSibling

    /// Reads a record that was checked; nil if it is another or malformed.
    @inline(__always)
    init?(_ record: RawSpan) {
        guard let codec = RecordFormat.Codec(rawValue: record.byte(3)) else { return nil }
        var cursor = ByteCursor(at: RecordFormat.headerLength)
        do throws(ByteCursor.Malformed) {
            let count = try cursor.varint(of: record)
            guard count > 0 else { return nil }
            firstEntry = cursor.offset
            first = try VersionVector.Entry(decoding: record, at: &cursor)
            for _ in 1..<count {
                _ = try cursor.take(12, of: record)
                _ = try cursor.varint(of: record)
                _ = try cursor.varint(of: record)
            }
            contextCount = Int(truncatingIfNeeded: count)
            guard try cursor.byte(of: record) == 1 else { return nil }
            sibling = try RecordSibling(decoding: record, at: &cursor, codec: codec, actors: contextCount)
        } catch {
            return nil
        }
        guard cursor.offset == record.byteCount else { return nil }
    }
}

/// How the contexts of two records with one sibling each stand to one another; found in one walk over the encoded
/// entries, without allocating.
struct ContextComparison {
    /// Entries of the union.
    var count = 0
    /// Whether each side's context holds all of the other's.
    var localCovers = true
    var remoteCovers = true
    /// Positions in the union of the siblings' actors.
    var localIndex = 0
    var remoteIndex = 0
    /// Counters that the sides' own contexts have for their siblings' actors.
    var localEntry: UInt64 = 0
    var remoteEntry: UInt64 = 0
    /// What the remote context has of the local sibling's actor, and the other way round.
    var localSeenByRemote: UInt64 = 0
    var remoteSeenByLocal: UInt64 = 0

    /// Nil if a context is not in ascending order, or malformed.
    @inline(__always)
    init?(_ mine: SoleRecord, of local: RawSpan, _ theirs: SoleRecord, of remote: RawSpan) {
        if mine.contextCount == 1, theirs.contextCount == 1, mine.first.actor == theirs.first.actor {
            count = 1
            (localEntry, remoteEntry) = (mine.first.counter, theirs.first.counter)
            (localSeenByRemote, remoteSeenByLocal) = (remoteEntry, localEntry)
            (localCovers, remoteCovers) = (localEntry >= remoteEntry, remoteEntry >= localEntry)
        } else {
            guard walk(mine, of: local, theirs, of: remote) else { return nil }
        }
    }

    private mutating func walk(
        _ mine: SoleRecord, of local: RawSpan, _ theirs: SoleRecord, of remote: RawSpan
    ) -> Bool {
        var a = EntryWalk(mine)
        var b = EntryWalk(theirs)
        guard a.advance(local), b.advance(remote) else { return false }
        while a.isAt || b.isAt {
            let takesLocal = a.isAt && (!b.isAt || !(b.entry.actor < a.entry.actor))
            let takesRemote = b.isAt && (!a.isAt || !(a.entry.actor < b.entry.actor))
            let mineHere = takesLocal ? a.entry.counter : 0
            let theirsHere = takesRemote ? b.entry.counter : 0
            if mineHere < theirsHere { localCovers = false }
            if theirsHere < mineHere { remoteCovers = false }
            if takesLocal, a.index == mine.sibling.actorIndex {
                localIndex = count
                localEntry = mineHere
                localSeenByRemote = theirsHere
            }
            if takesRemote, b.index == theirs.sibling.actorIndex {
                remoteIndex = count
                remoteEntry = theirsHere
                remoteSeenByLocal = mineHere
            }
            count += 1
            if takesLocal, !a.advance(local) { return false }
            if takesRemote, !b.advance(remote) { return false }
        }
        return true
    }

    /// Appends the union of two contexts that were compared, of `count` entries.
    static func appendUnion(
        _ mine: SoleRecord, of local: RawSpan, _ theirs: SoleRecord, of remote: RawSpan, _ count: Int,
        to buffer: inout ByteBuffer
    ) throws(ByteCursor.Malformed) {
        buffer.append(varint: UInt64(count))
        var a = EntryWalk(mine)
        var b = EntryWalk(theirs)
        guard a.advance(local), b.advance(remote) else { throw ByteCursor.Malformed() }
        while a.isAt || b.isAt {
            let takesLocal = a.isAt && (!b.isAt || !(b.entry.actor < a.entry.actor))
            let takesRemote = b.isAt && (!a.isAt || !(a.entry.actor < b.entry.actor))
            if takesLocal, !takesRemote || a.entry.counter >= b.entry.counter {
                a.entry.encode(into: &buffer)
            } else {
                b.entry.encode(into: &buffer)
            }
            if takesLocal, !a.advance(local) { throw ByteCursor.Malformed() }
            if takesRemote, !b.advance(remote) { throw ByteCursor.Malformed() }
        }
    }
}

/// Goes through a context's encoded entries.
private struct EntryWalk {
    /// Whether it stands at an entry.
    var isAt = false
    var index = -1
    var entry = VersionVector.Entry(actor: ReplicaActor(node: 0, incarnation: 0, birth: 0), counter: 0)
    private var cursor: ByteCursor
    private let count: Int

    init(_ record: SoleRecord) {
        cursor = ByteCursor(at: record.firstEntry)
        count = record.contextCount
    }

    /// Moves to the next entry or past the last; false if that is malformed or not above the one before.
    mutating func advance(_ record: RawSpan) -> Bool {
        index += 1
        guard index < count else {
            isAt = false
            return true
        }
        guard let next = try? VersionVector.Entry(decoding: record, at: &cursor) else { return false }
        if isAt, !(entry.actor < next.actor) { return false }
        isAt = true
        entry = next
        return true
    }
}
