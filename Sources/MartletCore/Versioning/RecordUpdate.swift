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
    /// The newest sibling held, if the record is intact.
    public private(set) var newest: RecordView?
    /// The greatest stamp held; 0 if none. The new stamp has to be above it.
    public private(set) var stamp: UInt64 = 0
    /// The dot to mint; nil if a birth has to be drawn for a first one.
    public private(set) var nextDot: Dot?
    /// The history that the new record has, but for its own dot; nil if that is ``nextDot``'s actor alone.
    private var context: VersionVector?
    private var contextLimit: Int
    /// What of the held record stays beside the new value.
    private var rest: Rest?

    private struct Rest {
        var record: [UInt8]
        var siblings: [RecordParts.Sibling]
        var sections: [RecordParts.Section]
    }

    /// Entries of a context beyond which the oldest are pruned.
    public static let contextLimit = 64

    /// Siblings that a client may let pile up; a write that would leave more is refused by the caller.
    public static let siblingLimit = 100

    /// Siblings that stay beside the new one.
    public var remainingSiblings: Int { rest?.siblings.count ?? 0 }

    /// Entries by which the context will be pruned when `dot` is written; for the metrics. O(1) in the common case.
    public func prunedEntries(writing dot: Dot) -> Int {
        guard var context else { return 0 }
        context.insert(dot)
        return context.prune(to: contextLimit, keeping: keptActors(dot))
    }

    /// A first write of a key.
    ///
    /// - Parameter known: the client's context, as in ``init(_:storedKey:identity:policy:knowing:contextLimit:)``.
    public init(knowing known: VersionVector? = nil, contextLimit: Int = Self.contextLimit) {
        self.contextLimit = contextLimit
        if let known, !known.entries.isEmpty { context = known }
    }

    /// A write over the record held. O(context entries + siblings).
    ///
    /// - Parameters:
    ///   - identity: whose entries of the context are this replica's own.
    ///   - known: the client's context; it must be ``VersionVector/isPlausible``. Under ``ConflictPolicy/siblings`` the
    ///     siblings that it covers are superseded. Nil, or the policy ``ConflictPolicy/latest``: all of them are.
    ///   - contextLimit: entries beyond which the context is pruned.
    public init(
        _ record: RawSpan, storedKey: RawSpan, identity: ReplicaIdentity, policy: ConflictPolicy,
        knowing known: VersionVector? = nil, contextLimit: Int = Self.contextLimit
    ) {
        self.init(knowing: known, contextLimit: contextLimit)
        held = .damaged
        guard let view = try? RecordView(record, storedKey: storedKey) else { return }
        let needsParts =
            view.siblings.upperBound < record.byteCount || (policy == .siblings && known != nil)
        if !needsParts, view.contextCount == 1, let entry = view.firstEntry(of: record), identity.owns(entry.actor),
            entry.counter < Dot.maximumCounter, known.map({ $0.isCovered(by: entry) }) ?? true
        {
            context = nil
            nextDot = Dot(actor: entry.actor, counter: entry.counter + 1)
        } else {
            guard let parts = try? RecordParts(view, of: record) else { return }
            let keepsSome = policy == .siblings && known != nil
            let kept = keepsSome ? parts.siblings.filter { !(known?.contains($0.dot) ?? true) } : []
            if !kept.isEmpty || !parts.sections.isEmpty {
                rest = Rest(record: record.array, siblings: kept, sections: parts.sections)
            }
            nextDot = Self.nextDot(parts.context, identity, knowing: known)
            context = parts.context
            if let known { context?.merge(known) }
        }
        held = .intact
        newest = view
        stamp = view.stamp
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
        guard var context else {
            if let rest {
                return append(rest, VersionVector(dot), storedKey, dot, value, bytes, to: &buffer)
            }
            return RecordEncoder.append(to: &buffer, storedKey: storedKey, dot: dot, value: value, bytes: bytes)
        }
        context.insert(dot)
        context.prune(to: contextLimit, keeping: keptActors(dot))
        append(rest ?? Rest(record: [], siblings: [], sections: []), context, storedKey, dot, value, bytes, to: &buffer)
    }

    /// The stamp that a value with this one is stored under: above all that is held, so that what causally follows also
    /// wins by stamp, even over one that a broken clock minted and that this node's clock therefore did not follow.
    public func stamp(for stamp: UInt64) -> UInt64 {
        stamp > self.stamp ? stamp : max(self.stamp, min(self.stamp &+ 1, HybridLogicalClock.maximum))
    }

    private func keptActors(_ dot: Dot) -> [ReplicaActor] {
        [dot.actor] + (rest?.siblings.map(\.dot.actor) ?? [])
    }

    private func append(
        _ rest: Rest, _ context: VersionVector, _ storedKey: RawSpan, _ dot: Dot, _ value: NewValue,
        _ bytes: RawSpan, to buffer: inout ByteBuffer
    ) {
        let isTombstone = value.isTombstone && rest.siblings.allSatisfy(\.place.isTombstone)
        let position = rest.siblings.firstIndex { dot < $0.dot } ?? rest.siblings.count
        let common = position == 0 ? value.codec : rest.siblings[0].place.codec
        let start = RecordEncoder.begin(&buffer, kind: isTombstone ? .tombstone : .string, codec: common)
        context.encode(into: &buffer)
        buffer.append(varint: UInt64(rest.siblings.count + 1))
        withBytes(of: rest.record) { record in
            for index in 0...rest.siblings.count {
                if index == position {
                    let actor = UInt64(context.position(of: dot.actor))
                    RecordEncoder.sibling(
                        &buffer, common: common, index: actor, counter: dot.counter, value: value, bytes: bytes)
                }
                guard index < rest.siblings.count else { break }
                let sibling = rest.siblings[index]
                let actor = UInt64(context.position(of: sibling.dot.actor))
                RecordEncoder.copy(&buffer, common: common, index: actor, sibling: sibling.place, of: record)
            }
            for section in rest.sections { section.append(to: &buffer, of: record) }
        }
        RecordEncoder.finish(&buffer, from: start, storedKey: storedKey)
    }
}

extension RecordView {
    /// The context's first entry; nil if it is malformed.
    func firstEntry(of record: RawSpan) -> VersionVector.Entry? {
        var cursor = ByteCursor(at: firstEntry)
        return try? VersionVector.Entry(decoding: record, at: &cursor)
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
