/// One read of a key from its replicas: whom to ask, what to merge and write back, when to answer and with what.
///
/// A value driven by events (``start(reachable:preferring:)``, then ``receive(_:)``); it knows positions and digests
/// only. Rules:
/// - R owners are asked at first, and the next one when one fails or the speculation timer fires;
/// - R equal answers are the answer. Of R that differ, one record per version is merged, and the answer waits until R
///   owners hold the merged version: so quorum reads never go backwards (the write-back of Attiya, Bar-Noy and Dolev
///   1995). Reads of one owner do not write back. Other owners found to differ are repaired afterwards, fallbacks
///   never;
/// - an owner that answers *unknown here* or *damaged* does not count;
/// - in sloppy keyspaces fallbacks are asked once R owners cannot be had, or are silent after the fallback delay, and
///   fill in for those that do not answer. The receipt names them; what such a read answers, a later one may not see.
///   A fallback without a hint for the key answers *not found*, which counts next to an owner's answer or a record, but
///   fallbacks alone never make a key *not found*.
///
/// Events that come late, twice or for positions never asked change nothing. No allocation unless versions differ.
public struct ReadOperation: Hashable, Sendable {
    /// What is asked of the replicas.
    public enum Mode: UInt8, Sendable {
        /// The record of one, digests of the others: less to send where records are large and equal.
        case digests
        /// The records of all: no second round where they differ.
        case data
    }

    /// The positions that own the key: 0..<N.
    public let ownerSet: PositionSet
    private let countByte: UInt8
    private let ownersByte: UInt8
    public let quorum: Quorum
    public let isSloppy: Bool
    /// The answer to the client, from the step that says so on.
    public private(set) var answer: ReadAnswer?
    public let mode: Mode
    /// Whether the answer waits for the merged version to be written back.
    public let writesBack: Bool

    private var versions = ReadVersions()
    private var reachable = PositionSet()
    private var asked = PositionSet()
    private var pending = PositionSet()
    /// Of ``pending``, those asked for their record.
    private var pendingData = PositionSet()
    /// Owners that said that their record is damaged, and those that said that their not knowing proves nothing.
    public private(set) var damaged = PositionSet()
    public private(set) var unknowing = PositionSet()
    private var phase = Phase.collecting
    // Once versions differ: whose answers are merged, the version answered, who holds it, who was sent it.
    private var base = PositionSet()
    private var final = ReplicaVersion.notFound
    /// The record that is answered, written back and repaired with; known once a step says to do one of these.
    public private(set) var source = ReadSource.notFound
    private var holders = PositionSet()
    private var pendingWrites = PositionSet()
    private var written = PositionSet()

    private enum Phase: UInt8 {
        case collecting, merging, writingBack, answered, finished
    }

    /// - Precondition: 1 <= owners <= count <= 64.
    public init(
        owners: Int, count: Int, quorum: Quorum, isSloppy: Bool, mode: Mode = .data, writesBack: Bool = true
    ) {
        precondition(owners >= 1 && owners <= count && count <= PositionSet.capacity)
        ownersByte = UInt8(owners)
        countByte = UInt8(count)
        ownerSet = PositionSet(0..<owners)
        self.quorum = quorum
        self.isSloppy = isSloppy
        self.mode = mode
        self.writesBack = writesBack && quorum.needed > 1
    }

    /// Positions 0..<owners own the key.
    public var owners: Int { Int(ownersByte) }
    /// Owners and fallbacks together.
    public var count: Int { Int(countByte) }

    /// Owners that have answered with a version.
    @inline(__always)
    private var answeredOwners: PositionSet { versions.known.intersection(ownerSet) }
    @inline(__always)
    private var answeredFallbacks: PositionSet { versions.known.subtracting(ownerSet) }
}

// MARK: Events

extension ReadOperation {
    /// Begins. Called once, first.
    ///
    /// - Parameters:
    ///   - reachable: positions to which there is a link.
    ///   - preferring: whom to ask first, such as the coordinator's own replica or its data center's.
    public mutating func start(
        reachable: PositionSet = PositionSet(mask: .max), preferring preferred: PositionSet = PositionSet()
    ) -> ReadStep {
        precondition(asked.isEmpty && phase == .collecting, "an operation starts once")
        var step = ReadStep()
        self.reachable = reachable
        let candidates = ownerSet.intersection(reachable)
        let near = candidates.intersection(preferred)
        let chosen = near.isEmpty ? near : quorum.choose(from: near, having: PositionSet())
        let rest = quorum.choose(from: candidates.subtracting(chosen), having: chosen)
        ask(chosen.union(rest), dataFrom: chosen.first ?? rest.first, &step)
        if !quorum.isMet(by: pending) { proceed(&step) }
        return step
    }

    /// Takes in an event. O(1) while versions are equal, else O(owners times versions).
    public mutating func receive(_ event: ReadEvent) -> ReadStep {
        var step = ReadStep()
        if case .reply(let position, .version(let version), let isFull) = event, phase == .collecting,
            pending.contains(position), asked.isSubset(of: ownerSet), isFull || !pendingData.contains(position)
        {
            takeUsual(position, version, isFull: isFull, &step)
        } else {
            receiveAny(event, &step)
        }
        return step
    }

    /// What nearly every event is: an owner says what it holds, as all did before, and no fallback was asked. It takes
    /// nobody out of those who may answer, so an operation that could be answered before still can.
    @inline(__always)
    private mutating func takeUsual(
        _ position: Int, _ version: ReplicaVersion, isFull: Bool, _ step: inout ReadStep
    ) {
        pending.remove(position)
        pendingData.remove(position)
        versions.add(position, version, isFull: isFull)
        guard quorum.isMet(by: answeredOwners) else {
            if pending.isEmpty { proceed(&step) }
            return
        }
        guard versions.areAllEqual, damaged.isEmpty, let source = versions.commonSource else { return proceed(&step) }
        answer = .value(source, ReadReceipt(owners: answeredOwners, fallbacks: PositionSet(), differed: false))
        self.source = source
        final = version
        phase = .answered
        step.isAnswered = true
        if pending.isEmpty {
            step.isFinished = true
            phase = .finished
        }
    }

    private mutating func receiveAny(_ event: ReadEvent, _ step: inout ReadStep) {
        guard phase != .finished else { return }
        switch event {
        case .reply(let position, let reply, let isFull):
            guard asked.contains(position) else { return }
            take(position, reply, isFull: isFull, &step)
        case .lost(let position), .notSent(let position):
            guard pending.contains(position) else { return }
            drop(position)
        case .speculate:
            if phase == .collecting { speculate(&step) }
        case .fallbackDelay:
            if phase == .collecting, isSloppy, sufficient() == nil { askFallbacks(&step) }
        case .merged(let digest):
            guard phase == .merging else { return }
            beginWriteBack(.found(digest), from: .merged, &step)
        case .wroteBack(let position):
            guard pendingWrites.contains(position) else { return }
            pendingWrites.remove(position)
            holders.insert(position)
        case .notWrittenBack(let position):
            guard pendingWrites.contains(position) else { return }
            pendingWrites.remove(position)
        case .deadline:
            if phase != .answered { fail(&step) }
            step.isFinished = true
            phase = .finished
            return
        }
        proceed(&step)
    }

    private mutating func take(_ position: Int, _ reply: ReadReply, isFull: Bool, _ step: inout ReadStep) {
        // A position that has answered and is asked nothing has said it all.
        guard pending.contains(position) else { return }
        // A digest, late or twice, of one whose record is under way: that will say it.
        if case .version = reply, !isFull, pendingData.contains(position) { return }
        guard case .version(let version) = reply else {
            drop(position)
            if case .unknownHere = reply, position < owners { unknowing.insert(position) }
            if case .damaged = reply, position < owners {
                damaged.insert(position)
                if phase == .answered { repair(PositionSet(position), &step) }
            }
            return
        }
        pending.remove(position)
        pendingData.remove(position)
        versions.set(position, version, isFull: isFull)
        guard position < owners else { return }
        if phase == .writingBack, version == final { holders.insert(position) }
        if phase == .answered, version != final { repair(PositionSet(position), &step) }
    }

    /// The position's answer is not to be had, or not any more.
    private mutating func drop(_ position: Int) {
        pending.remove(position)
        pendingData.remove(position)
        if phase == .collecting { versions.remove(position) }
    }

    private mutating func ask(_ positions: PositionSet, dataFrom: Int?, _ step: inout ReadStep) {
        asked.formUnion(positions)
        pending.formUnion(positions)
        var full = positions
        if mode == .digests { full = PositionSet(dataFrom ?? -1).intersection(positions) }
        pendingData.formUnion(full)
        step.readData.formUnion(full)
        step.readDigest.formUnion(positions.subtracting(full))
    }

    private mutating func proceed(_ step: inout ReadStep) {
        switch phase {
        case .collecting: collect(&step)
        case .writingBack: settleWriteBack(&step)
        case .merging, .answered, .finished: break
        }
        if phase == .answered, pending.isEmpty {
            step.isFinished = true
            phase = .finished
        }
    }

    private mutating func fail(_ step: inout ReadStep) {
        let doFallbacksCount = !answeredOwners.isEmpty || !versions.found.isEmpty
        let answers = answeredOwners.count + (doFallbacksCount ? answeredFallbacks.count : 0)
        answer = .noQuorum(answers: phase == .writingBack ? holders.count : answers, needed: quorum.needed)
        step.isAnswered = true
        (step.readData, step.readDigest) = (PositionSet(), PositionSet())
        step.isFinished = true
        phase = .finished
    }
}

// MARK: Collecting answers

extension ReadOperation {
    /// The positions whose answers are enough; nil as long as they are not.
    private mutating func sufficient() -> PositionSet? {
        let owners = answeredOwners
        if quorum.isMet(by: owners) { return owners }
        // That fallbacks hold no hint says nothing of what owners hold.
        guard isSloppy, !owners.isEmpty || !versions.found.isEmpty else { return nil }
        let all = versions.known
        return quorum.isMet(by: all) ? all : nil
    }

    private mutating func collect(_ step: inout ReadStep) {
        guard let enough = sufficient() else { return askMore(&step) }
        if versions.areEqual(enough) {
            guard let record = versions.found.intersection(enough).first else {
                return conclude(.notFound, from: enough, .notFound, &step)
            }
            if let full = versions.full.intersection(enough).first {
                return conclude(.replica(full), from: enough, versions[full] ?? .notFound, &step)
            }
            return fetch(enough, PositionSet(record), &step)
        }
        var sources = PositionSet()
        var missing = PositionSet()
        versions.forEachRecord(among: enough) { same in
            if let full = same.intersection(versions.full).first {
                sources.insert(full)
            } else {
                missing.insert(same.first ?? -1)
            }
        }
        guard missing.isEmpty else { return fetch(enough, missing, &step) }
        base = enough
        phase = .merging
        if sources.count == 1, let only = sources.first, let version = versions[only] {
            beginWriteBack(version, from: .replica(only), &step)  // one record and some without: nothing to merge
        } else {
            step.perform(.merge, sources)
        }
    }

    /// Asks for the records of versions that are known by their digest only.
    private mutating func fetch(_ enough: PositionSet, _ wanted: PositionSet, _ step: inout ReadStep) {
        for position in wanted {
            guard let version = versions[position] else { continue }
            guard versions.having(version, among: enough).intersection(pendingData).isEmpty else { continue }
            pending.insert(position)
            pendingData.insert(position)
            step.readData.insert(position)
        }
    }

    /// Asks others in the place of those that failed; fallbacks if there are not enough owners; else gives up.
    private mutating func askMore(_ step: inout ReadStep) {
        let expected = versions.known.union(pending)
        let owners = expected.intersection(ownerSet)
        if quorum.isMet(by: owners) { return }
        let next = quorum.choose(from: unasked.intersection(ownerSet), having: owners)
        if !next.isEmpty { ask(next, dataFrom: dataSource(next), &step) }
        guard !quorum.isMet(by: owners.union(next)) else { return }
        guard isSloppy else { return fail(&step) }
        let fallbacks = quorum.choose(from: unasked.subtracting(ownerSet), having: expected.union(next))
        if !fallbacks.isEmpty { ask(fallbacks, dataFrom: dataSource(fallbacks), &step) }
        if pending.isEmpty || !quorum.isMet(by: versions.known.union(pending)) { fail(&step) }
    }

    private var unasked: PositionSet { PositionSet(0..<count).intersection(reachable).subtracting(asked) }

    /// Who of those asked next is asked for the record: one of them, unless a record is here or under way.
    private func dataSource(_ next: PositionSet) -> Int? {
        versions.full.isEmpty && pendingData.isEmpty ? next.first : nil
    }

    private mutating func speculate(_ step: inout ReadStep) {
        if let enough = sufficient() {
            // Answers are in, a record is late: others that have the same version are asked for it.
            for late in pendingData.intersection(enough) {
                guard let version = versions[late] else { continue }
                let same = versions.having(version, among: enough)
                guard let other = same.subtracting(pendingData).first, same.intersection(versions.full).isEmpty
                else { continue }
                pending.insert(other)
                pendingData.insert(other)
                step.readData.insert(other)
            }
            return
        }
        let next = quorum.chooseOneMore(from: unasked.intersection(ownerSet), having: answeredOwners)
        // The one asked for the record may be the slow one.
        ask(next, dataFrom: versions.full.isEmpty ? next.first : nil, &step)
    }

    /// Asks whoever is left: owners first, and fallbacks in the place of those that may never answer.
    private mutating func askFallbacks(_ step: inout ReadStep) {
        let owners = quorum.chooseAll(from: unasked.intersection(ownerSet), having: answeredOwners)
        let expected = versions.known.union(pending.subtracting(ownerSet))
        let fallbacks = quorum.choose(from: unasked.subtracting(ownerSet), having: expected)
        let next = owners.union(fallbacks)
        if !next.isEmpty { ask(next, dataFrom: versions.full.isEmpty ? next.first : nil, &step) }
    }
}

// MARK: Answering

extension ReadOperation {
    private mutating func conclude(
        _ source: ReadSource, from positions: PositionSet, _ version: ReplicaVersion, _ step: inout ReadStep
    ) {
        let owners = positions.intersection(ownerSet)
        let receipt = ReadReceipt(
            owners: owners, fallbacks: positions.subtracting(owners), differed: !versions.areEqual(positions))
        answer = .value(source, receipt)
        step.isAnswered = true
        final = version
        self.source = source
        phase = .answered
        let same = versions.having(version, among: ownerSet).union(written)
        repair(answeredOwners.union(damaged).subtracting(same), &step)
    }

    private mutating func repair(_ positions: PositionSet, _ step: inout ReadStep) {
        guard case .found = final else { return }  // there is nothing to write
        step.perform(.repair, positions.subtracting(written))
        written.formUnion(positions)
    }

    private mutating func beginWriteBack(
        _ version: ReplicaVersion, from source: ReadSource, _ step: inout ReadStep
    ) {
        final = version
        self.source = source
        holders = versions.having(version, among: ownerSet)
        phase = .writingBack
        if writesBack, !quorum.isMet(by: stand) {
            let targets = base.intersection(ownerSet).subtracting(holders)
            pendingWrites = targets
            written = targets
            step.perform(.writeBack, targets)
        }
        settleWriteBack(&step)
    }

    /// Who holds the final version, with the fallbacks that filled in.
    private var stand: PositionSet { holders.union(base.subtracting(ownerSet)) }

    private mutating func settleWriteBack(_ step: inout ReadStep) {
        if !writesBack || quorum.isMet(by: stand) {
            return conclude(source, from: base, final, &step)
        }
        if quorum.isMet(by: stand.union(pendingWrites)) { return }
        let others = ownerSet.intersection(reachable).subtracting(holders).subtracting(written)
        let next = quorum.choose(from: others, having: stand.union(pendingWrites))
        guard !next.isEmpty, quorum.isMet(by: stand.union(pendingWrites).union(next)) else {
            if pendingWrites.isEmpty { fail(&step) }
            return
        }
        pendingWrites.formUnion(next)
        written.formUnion(next)
        step.perform(.writeBack, next)
    }
}
