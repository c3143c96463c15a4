/// A coordinating write: what a replica that mints needs to know of the record it holds, and the record it makes of it.
///
/// In two steps, so that the held record need not stay borrowed while a stamp is minted and the value is compressed:
/// ```
/// let update = RecordUpdate(held, storedKey: key, identity: identity, policy: .latest)
/// clock.receive(update.stamp)
/// let dot = update.nextDot ?? identity.firstDot(birth: newlyDrawn)
/// update.append(to: &arena, storedKey: key, dot: dot, value: NewValue(stamp: clock.mint(...), ...), bytes: value)
/// ```
/// A delete is the same with ``NewValue/tombstone(stamp:token:)`` and no bytes: its context is kept in full.
/// Allocates nothing if the held record has one sibling and no actor but this replica, and the client knows no more.
public struct RecordUpdate: Sendable {
    /// What is held of the key.
    public enum Held: Sendable {
        /// Nothing: a first write, or collected.
        case none
        /// A record that cannot be read: its dots are not known, so the replica begins anew under a fresh birth.
        case damaged
        case intact
    }

    public private(set) var held = Held.none
    /// Whether the newest sibling held is no value but a tombstone, or nothing intact is held.
    public private(set) var isTombstone = true
    /// When the newest sibling held expires: milliseconds since 1970, `Int64.max` if never.
    public private(set) var expiry: Int64 = .max
    /// The greatest stamp held; 0 if none. The new stamp has to be above it.
    public private(set) var stamp: UInt64 = 0
    /// The dot to mint; nil if a birth has to be drawn for a first one.
    public private(set) var nextDot: Dot?
    /// Nil in the common case: the new record has one actor's history, one sibling and no sections.
    private var more: More?

    /// What else the new record is made of. Behind a reference, so that the common case is small.
    private final class More: Sendable {
        /// The history that it has; its own dot is part of it if that was known.
        let context: VersionVector
        let contextLimit: Int
        /// The held record, and what of it stays beside the new value.
        let record: [UInt8]
        let siblings: [RecordParts.Sibling]
        /// Those that are taken over as they are.
        let sections: [RecordParts.Section]
        /// What is remembered of writes with a retry token.
        let memory: RetryMemory

        init(
            _ context: VersionVector, limit: Int, record: [UInt8] = [], siblings: [RecordParts.Sibling] = [],
            sections: [RecordParts.Section] = [], memory: RetryMemory = RetryMemory()
        ) {
            self.context = context
            contextLimit = limit
            self.record = record
            self.siblings = siblings
            self.sections = sections
            self.memory = memory
        }

        /// The section of the new record for what is remembered; nil for none.
        func remembered(with value: NewValue, _ dot: Dot) -> [UInt8]? {
            guard !memory.isEmpty else { return nil }
            var memory = memory
            if let token = value.token {
                memory.insert(
                    RetryMemory.Write(token: token, dot: dot, stamp: value.stamp, existed: value.existed))
            }
            memory.trim()
            return memory.section(beside: siblings.map(\.dot) + [dot])
        }

        /// The new record's context, and how many entries were pruned for it.
        func context(with dot: Dot) -> (context: VersionVector, pruned: Int) {
            var context = context
            if !context.contains(dot) { context.insert(dot) }
            guard context.entries.count > contextLimit else { return (context, 0) }
            let pruned = context.prune(to: contextLimit, keeping: [dot.actor] + siblings.map(\.dot.actor))
            return (context, pruned)
        }
    }

    /// Entries of a context beyond which the oldest are pruned.
    public static let contextLimit = 64

    /// Siblings that a client may let pile up; a write that would leave more is refused by the caller.
    public static let siblingLimit = 100

    /// Whether there is a live value to be replaced, by the time in milliseconds since 1970.
    public func replacesLive(at milliseconds: Int64) -> Bool {
        held == .intact && !isTombstone && expiry > milliseconds
    }

    /// Siblings that stay beside the new one.
    public var remainingSiblings: Int { more?.siblings.count ?? 0 }

    /// Entries by which the context will be pruned when `dot` is written; for the metrics. O(1) in the common case.
    public func prunedEntries(writing dot: Dot) -> Int { more?.context(with: dot).pruned ?? 0 }

    /// A first write of a key.
    ///
    /// - Parameter known: the client's context, as in ``init(_:storedKey:identity:policy:knowing:contextLimit:)``.
    public init(knowing known: VersionVector? = nil, contextLimit: Int = Self.contextLimit) {
        more = Self.more(known, limit: contextLimit)
    }

    /// Whether the record held remembers writes with a retry token that a minute before `stamp` were not yet done.
    public func remembersRetries(at stamp: UInt64) -> Bool {
        let age = HybridLogicalClock.stamp(milliseconds: RetryMemory.milliseconds)
        return more?.memory.writes.contains { $0.stamp >= stamp || stamp - $0.stamp <= age } ?? false
    }

    /// A write over the record held. O(context entries + siblings).
    ///
    /// - Parameters:
    ///   - identity: whose entries of the context are this replica's own.
    ///   - known: the client's context; it must be ``VersionVector/isPlausible``. Under ``ConflictPolicy/siblings`` the
    ///     siblings that it covers are superseded. Nil, or the policy ``ConflictPolicy/latest``: all of them are.
    ///   - beyond: one write that the client knows beyond ``known``; see ``ClientContext``.
    ///   - contextLimit: entries beyond which the context is pruned.
    public init(
        _ record: RawSpan, storedKey: RawSpan, identity: ReplicaIdentity, policy: ConflictPolicy,
        knowing known: VersionVector? = nil, beyond: Dot? = nil, contextLimit: Int = Self.contextLimit
    ) {
        let keyHash = XXH3.hash(storedKey, seed: 0)
        if (try? RecordView.check(record, keyHash: keyHash)) != nil {
            let sole = SoleRecord(record)
            if let sole, sole.contextCount == 1, identity.owns(sole.first.actor),
                sole.first.counter < Dot.maximumCounter, sole.sibling.token == nil,
                known.map({ policy == .latest && $0.isCovered(by: sole.first) }) ?? true
            {
                nextDot = Dot(actor: sole.first.actor, counter: sole.first.counter + 1)
                hold(sole.sibling)
                return
            }
            let needsSiblings = sole.map { $0.sibling.token != nil } ?? true || (policy == .siblings && known != nil)
            if !needsSiblings, takeContext(of: record, identity, known, limit: contextLimit) { return }
            if takeParts(of: record, identity, policy, known, beyond, limit: contextLimit) { return }
        }
        held = .damaged
        more = Self.more(known, limit: contextLimit)
    }

    private mutating func hold(_ newest: RecordSibling) {
        held = .intact
        isTombstone = newest.isTombstone
        expiry = newest.expiry
        stamp = newest.stamp
    }

    /// Takes over a record of which nothing stays but the context; false if it has to be taken apart.
    private mutating func takeContext(
        of record: RawSpan, _ identity: ReplicaIdentity, _ known: VersionVector?, limit: Int
    ) -> Bool {
        guard let sole = SoleRecord(record), sole.contextCount <= VersionVector.maximumEntries else { return false }
        var cursor = ByteCursor(at: RecordFormat.headerLength)
        guard var context = try? VersionVector(decoding: record, at: &cursor) else { return false }
        nextDot = Self.nextDot(context, identity, knowing: known)
        if let known { context.merge(known) }
        if let nextDot { context.insert(nextDot) }
        more = More(context, limit: limit)
        hold(sole.sibling)
        return true
    }

    /// Takes over any other record; false if it is malformed.
    private mutating func takeParts(
        of record: RawSpan, _ identity: ReplicaIdentity, _ policy: ConflictPolicy, _ known: VersionVector?,
        _ beyond: Dot?, limit: Int
    ) -> Bool {
        guard let view = try? RecordView(parsing: record), var parts = try? RecordParts(view, of: record),
            var memory = try? RetryMemory(parts, of: record),
            let newest = parts.siblings.max(by: { ($0.place.stamp, $0.dot) < ($1.place.stamp, $1.dot) })
        else { return false }
        nextDot = Self.nextDot(parts.context, identity, knowing: known)
        hold(newest.place)
        if let known { parts.context.merge(known) }
        // A write beyond what is known here without gaps cannot be told to peers as seen: it may come as a sibling.
        if let beyond, parts.context[beyond.actor] < beyond.counter {
            if identity.owns(beyond.actor) { nextDot = nil }  // forgotten here, as above
            if parts.context[beyond.actor] + 1 == beyond.counter { parts.context.insert(beyond) }
        }
        func isSeen(_ dot: Dot) -> Bool { known?.contains(dot) ?? true || dot == beyond }
        if policy == .siblings { memory.supersede(where: isSeen) }
        let kept =
            policy == .latest ? [] : parts.siblings.filter { !isSeen($0.dot) && !memory.isSuperseded($0.dot) }
        let sections = parts.sections.filter { $0.tag != RetryMemory.tag }
        let bytes = kept.isEmpty && sections.isEmpty ? [] : record.array
        more = More(parts.context, limit: limit, record: bytes, siblings: kept, sections: sections, memory: memory)
        return true
    }

    private static func more(_ known: VersionVector?, limit: Int) -> More? {
        guard let known, !known.entries.isEmpty else { return nil }
        return More(known, limit: limit)
    }

    /// The own entry of the latest birth goes on, unless its numbers are used up or the client knows an own dot that is
    /// not known here: then something was forgotten, and what was minted under that birth is not certain.
    private static func nextDot(
        _ context: VersionVector, _ identity: ReplicaIdentity, knowing known: VersionVector?
    ) -> Dot? {
        if let known {
            for entry in known.entries where identity.owns(entry.actor) && context[entry.actor] < entry.counter {
                return nil
            }
        }
        guard let own = context.entries.last(where: { identity.owns($0.actor) }), own.counter < Dot.maximumCounter
        else { return nil }
        return Dot(actor: own.actor, counter: own.counter + 1)
    }

    /// Appends the new record.
    ///
    /// - Parameters:
    ///   - dot: ``nextDot``, or the first of a birth newly drawn.
    ///   - value: its stamp is raised above what it supersedes if it is not; see ``stamp(for:)``.
    ///   - bytes: the value as its codec packed it.
    public func append(
        to buffer: inout ByteBuffer, storedKey: RawSpan, dot: Dot, value: NewValue, bytes: RawSpan
    ) {
        var value = value
        value.stamp = stamp(for: value.stamp)
        guard let more else {
            return RecordEncoder.append(to: &buffer, storedKey: storedKey, dot: dot, value: value, bytes: bytes)
        }
        Self.append(more, storedKey, dot, value, bytes, to: &buffer)
    }

    /// The stamp that a value with this one is stored under: above all that is held, so that what causally follows also
    /// wins by stamp, even over one that a broken clock minted and that this node's clock therefore did not follow.
    public func stamp(for stamp: UInt64) -> UInt64 {
        stamp > self.stamp ? stamp : max(self.stamp, min(self.stamp &+ 1, HybridLogicalClock.maximum))
    }

    private static func append(
        _ more: More, _ storedKey: RawSpan, _ dot: Dot, _ value: NewValue, _ bytes: RawSpan,
        to buffer: inout ByteBuffer
    ) {
        let siblings = more.siblings
        let context = more.context(with: dot).context
        let isTombstone = value.isTombstone && siblings.allSatisfy(\.place.isTombstone)
        let position = siblings.firstIndex { dot < $0.dot } ?? siblings.count
        let common = position == 0 ? value.codec : siblings[0].place.codec
        let start = RecordEncoder.begin(&buffer, kind: isTombstone ? .tombstone : .string, codec: common)
        context.encode(into: &buffer)
        buffer.append(varint: UInt64(siblings.count + 1))
        withBytes(of: more.record) { record in
            for index in 0...siblings.count {
                if index == position {
                    let actor = UInt64(context.position(of: dot.actor))
                    RecordEncoder.sibling(
                        &buffer, common: common, index: actor, counter: dot.counter, value: value, bytes: bytes)
                }
                guard index < siblings.count else { break }
                let sibling = siblings[index]
                let actor = UInt64(context.position(of: sibling.dot.actor))
                RecordEncoder.copy(&buffer, common: common, index: actor, sibling: sibling.place, of: record)
            }
            let remembered = more.remembered(with: value, dot)
            var isPut = remembered == nil
            for section in more.sections {
                if !isPut, section.tag > RetryMemory.tag {
                    put(remembered, to: &buffer)
                    isPut = true
                }
                section.append(to: &buffer, of: record)
            }
            if !isPut { put(remembered, to: &buffer) }
        }
        RecordEncoder.finish(&buffer, from: start, storedKey: storedKey)
    }
}

extension RecordUpdate {
    private static func put(_ remembered: [UInt8]?, to buffer: inout ByteBuffer) {
        guard let remembered else { return }
        withBytes(of: remembered) { RecordParts.Section.append(RetryMemory.tag, $0, to: &buffer) }
    }
}

extension VersionVector {
    /// Whether a history of one actor covers all of this one.
    func isCovered(by entry: Entry) -> Bool {
        entries.allSatisfy { $0.actor == entry.actor && $0.counter <= entry.counter }
    }

    /// Whether its counters are ones that replicas mint: to be asked of what a client or a peer sent, since a history
    /// that claims dots which are not yet minted would swallow the writes that get them.
    public var isPlausible: Bool {
        entries.allSatisfy { $0.counter <= Dot.maximumCounter }
    }
}
