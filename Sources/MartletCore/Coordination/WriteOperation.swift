/// One write on its way to the replicas of its key: whom to send it to, when to answer and with what.
///
/// A value driven by events (``start(reachable:able:)``, then ``receive(_:)``); it knows positions only. Rules:
/// - it is answered once: *applied* when acknowledgements for W owners are in, each at the durability asked for; *not
///   applied* only if every replica it was handed to refused it, or it was handed to none; else *unknown*;
/// - an owner that cannot be reached, whose link broke, or that is silent after the hint delay gets a stand-in in
///   sloppy keyspaces: the next fallback of the walk holds a hint for it, which counts in that owner's place. An owner
///   and its stand-in count once. In strict keyspaces there are no stand-ins;
/// - after the answer it goes on until every owner holds the write or the deadline has come.
///
/// Events that come late, twice or for positions never asked change nothing they should not: an acknowledgement
/// outweighs a refusal, a refusal outweighs a broken link. No allocation unless an owner needs a stand-in.
///
/// (Dynamo, DeCandia et al. 2007, sections 4.5 and 4.6, with the third outcome told apart.)
public struct WriteOperation: Hashable, Sendable {
    /// The positions that own the key: 0..<N.
    public let ownerSet: PositionSet
    /// Owners and fallbacks: 0...64.
    private let countByte: UInt8
    private let ownersByte: UInt8
    public let quorum: Quorum
    /// What an acknowledgement has to meet to be counted.
    public let durability: ReplicaDurability
    /// Whether fallbacks stand in for owners.
    public let isSloppy: Bool
    /// The answer to the client, from the step that says so on.
    public private(set) var answer: WriteAnswer?

    // What has become of the positions. Each asked one is in exactly one of pending, held, refused, lost, notSent.
    private var asked = PositionSet()
    private var pending = PositionSet()
    private var held = PositionSet()
    private var refused = PositionSet()
    private var lost = PositionSet()
    private var notSent = PositionSet()
    /// Of ``held``, those at `interval` or more, and those at `always`.
    private var heldInterval = PositionSet()
    private var heldAlways = PositionSet()
    /// Owners whose place is taken by an acknowledgement that counts, their own or a stand-in's.
    private var covered = PositionSet()
    /// Positions whose acknowledgement can meet the durability.
    private var able = PositionSet()
    /// Fallbacks that can be reached and were not asked.
    private var spare = PositionSet()
    /// Owners that want a stand-in and have none.
    private var wanting = PositionSet()
    private var kept = PositionSet()
    /// The owner for which the fallback at `position - owners` stands in.
    private var ownerByFallback: [UInt8]?
    private var refusal = ReplicaRefusal.other
    private var phase = Phase.open

    private enum Phase: UInt8 {
        case open, applied, notApplied, unknown, finished
    }

    /// - Precondition: 1 <= owners <= count <= 64.
    public init(owners: Int, count: Int, quorum: Quorum, durability: ReplicaDurability, isSloppy: Bool) {
        precondition(owners >= 1 && owners <= count && count <= PositionSet.capacity)
        ownersByte = UInt8(owners)
        countByte = UInt8(count)
        ownerSet = PositionSet(0..<owners)
        self.quorum = quorum
        self.durability = durability
        self.isSloppy = isSloppy
    }

    /// The owner for which the fallback at a position was asked to hold the write; nil if it was not asked to.
    public func owner(ofHintAt position: Int) -> Int? {
        guard position >= owners, asked.contains(position), let ownerByFallback else { return nil }
        return Int(ownerByFallback[position - owners])
    }

    /// Owners that hold the write, and fallbacks that hold a hint of it, however durably.
    public var allHolders: PositionSet { held }
    /// Owners that hold the write, however durably.
    public var holders: PositionSet { held.intersection(ownerSet) }

    /// Positions 0..<owners own the key.
    public var owners: Int { Int(ownersByte) }
    /// Owners and fallbacks together.
    public var count: Int { Int(countByte) }
}

// Helpers that only read are mutating where they are not inlined: a large value is passed by copy to others.

// MARK: Events

extension WriteOperation {
    /// Begins. Called once, first.
    ///
    /// - Parameters:
    ///   - reachable: positions to which there is a link. The others are treated as ``WriteEvent/notSent(_:)``.
    ///   - able: positions whose replica can meet the durability asked for, as far as is known.
    ///   - doubted: positions that are said not to answer: owners among them are sent the write, and get a stand-in at
    ///     once.
    /// - Returns: what to send, or, where the level cannot be met, the refusal: then nothing was sent.
    public mutating func start(
        reachable: PositionSet = PositionSet(mask: .max), able: PositionSet = PositionSet(mask: .max),
        doubted: PositionSet = PositionSet()
    ) -> WriteStep {
        precondition(asked.isEmpty && phase == .open, "an operation starts once")
        var step = WriteStep()
        self.able = able
        let sent = ownerSet.intersection(reachable)
        if isSloppy { spare = PositionSet(owners..<count).intersection(reachable).subtracting(doubted) }
        wanting = isSloppy ? ownerSet.subtracting(sent) : PositionSet()
        guard quorum.isMet(by: sent.intersection(able)) || canBeMet(with: sent.intersection(able)) else {
            let reach = sent.count + spare.prefix(wanting.count).count
            phase = .finished
            let isShort = reach < quorum.needed || PositionSet(0..<count).isSubset(of: able)
            answer = .notApplied(isShort ? .noQuorum(reachable: reach, needed: quorum.needed) : .durabilityUnmet)
            step.isAnswered = true
            step.isFinished = true
            return step
        }
        asked = sent
        pending = sent
        step.send = sent
        if isSloppy { wanting.formUnion(ownerSet.intersection(doubted)) }
        if !wanting.isEmpty { assignStandIns(&step) }
        return step
    }

    /// Takes in an event. Amortised O(1) where all answer well; else O(owners).
    public mutating func receive(_ event: WriteEvent) -> WriteStep {
        var step = WriteStep()
        if case .acknowledged(let position, let durability) = event, durability >= self.durability,
            pending.intersection(ownerSet).contains(position), haveAllAnsweredWell
        {
            takeUsual(position, durability, &step)
            return step
        }
        receiveAny(event, &step)
        return step
    }

    @inline(__always)
    private var haveAllAnsweredWell: Bool { refused.mask | lost.mask | notSent.mask | wanting.mask == 0 }

    /// What nearly every event is: an owner holds the write as durably as it should, and nobody failed. It only adds to
    /// what is covered, so an operation that could be applied before still can.
    @inline(__always)
    private mutating func takeUsual(_ position: Int, _ durability: ReplicaDurability, _ step: inout WriteStep) {
        guard phase != .finished else { return }
        pending.remove(position)
        held.insert(position)
        if durability >= .interval { heldInterval.insert(position) }
        if durability >= .always { heldAlways.insert(position) }
        covered.insert(position)
        if phase == .open {
            guard quorum.isMet(by: covered) else {
                if pending.isEmpty { proceed(&step) }
                return
            }
            answer = .applied(held.isSubset(of: ownerSet) ? ownersReceipt : receipt())
            step.isAnswered = true
            phase = .applied
        }
        if pending.isEmpty || ownerSet.isSubset(of: held) { finish(&step) }
    }

    private mutating func receiveAny(_ event: WriteEvent, _ step: inout WriteStep) {
        guard phase != .finished else { return }
        switch event {
        case .acknowledged(let position, let durability):
            guard asked.contains(position) else { return }
            hold(position, durability)
        case .refused(let position, let reason):
            guard pending.contains(position) || lost.contains(position) else { return }
            settle(position)
            refused.insert(position)
            refusal = Swift.min(refusal, reason)
            if position >= owners || reason.isAsGoodAsUnreachable { wantStandIn(for: position) }
        case .lost(let position):
            guard pending.contains(position) || notSent.contains(position) else { return }
            settle(position)
            lost.insert(position)
            wantStandIn(for: position)
        case .notSent(let position):
            guard pending.contains(position) else { return }
            settle(position)
            notSent.insert(position)
            wantStandIn(for: position)
        case .hintDelay:
            for position in pending.intersection(ownerSet) { wantStandIn(for: position) }
        case .deadline:
            expire(&step)
            return
        }
        proceed(&step)
    }

    /// The position is in none of the sets any more.
    private mutating func settle(_ position: Int) {
        pending.remove(position)
        refused.remove(position)
        lost.remove(position)
        notSent.remove(position)
    }

    private mutating func hold(_ position: Int, _ durability: ReplicaDurability) {
        settle(position)
        held.insert(position)
        if durability >= .interval { heldInterval.insert(position) }
        if durability >= .always { heldAlways.insert(position) }
        if position < owners { wanting.remove(position) }
        guard durability >= self.durability else { return }
        if position < owners {
            covered.insert(position)
        } else if let owner = owner(ofHintAt: position), quorum.countsAlike(owner, position) {
            covered.insert(owner)
        }
    }

    private mutating func expire(_ step: inout WriteStep) {
        if phase == .open { answer(settledAnswer(), &step) }
        finish(&step)
    }

    /// Does what the sets call for: stand-ins, the answer, the end.
    private mutating func proceed(_ step: inout WriteStep) {
        if phase == .open, quorum.isMet(by: covered) { answer(.applied(receipt()), &step) }
        if !wanting.isEmpty, phase == .open || phase == .applied { assignStandIns(&step) }
        if phase == .open {
            if pending.isEmpty {
                answer(settledAnswer(), &step)
            } else if !(held.isEmpty && lost.isEmpty), !canBeMet(with: covered.union(hopeful())) {
                // No answer that is still out can make it applied, nor can it be not applied any more.
                answer(.unknown(acknowledged: covered.count, needed: quorum.needed), &step)
            }
        }
        if phase != .open, pending.isEmpty || ownerSet.isSubset(of: held) { finish(&step) }
    }

    private mutating func answer(_ answer: WriteAnswer, _ step: inout WriteStep) {
        self.answer = answer
        step.isAnswered = true
        switch answer {
        case .applied: phase = .applied
        case .notApplied: phase = .notApplied
        case .unknown: phase = .unknown
        }
    }

    /// The answer if nothing more is to come.
    private mutating func settledAnswer() -> WriteAnswer {
        let handed = asked.subtracting(notSent)
        guard handed.isSubset(of: refused) else {
            return .unknown(acknowledged: covered.count, needed: quorum.needed)
        }
        return .notApplied(handed.isEmpty ? .noQuorum(reachable: 0, needed: quorum.needed) : .refused(refusal))
    }

    @inline(__always)
    private mutating func finish(_ step: inout WriteStep) {
        step.isFinished = true
        if ownerSet.isSubset(of: held) {
            phase = .finished
        } else {
            finishOwing(&step)
        }
    }

    private mutating func finishOwing(_ step: inout WriteStep) {
        if phase != .notApplied {
            step.owed = ownerSet.subtracting(held).subtracting(kept)
            for holder in held.subtracting(ownerSet) { step.owed.remove(owner(ofHintAt: holder) ?? -1) }
        }
        phase = .finished
    }

    /// Of those that hold the write, the ones at the durability asked for.
    @inline(__always)
    private var counted: PositionSet {
        durability == .none ? held : durability == .interval ? heldInterval : heldAlways
    }

    @inline(__always)
    private func weakest(of positions: PositionSet) -> ReplicaDurability {
        positions.isSubset(of: heldAlways) ? .always : positions.isSubset(of: heldInterval) ? .interval : .none
    }

    /// The receipt where no fallback holds the write.
    @inline(__always)
    private var ownersReceipt: WriteReceipt {
        WriteReceipt(owners: counted, hints: PositionSet(), weakest: weakest(of: counted))
    }

    private mutating func receipt() -> WriteReceipt {
        let counted = counted
        let owners = counted.intersection(ownerSet)
        var hints = PositionSet()
        var hinted = owners
        for holder in counted.subtracting(ownerSet) {
            guard let owner = owner(ofHintAt: holder), !hinted.contains(owner), covered.contains(owner) else {
                continue
            }
            hinted.insert(owner)
            hints.insert(holder)
        }
        return WriteReceipt(owners: owners, hints: hints, weakest: weakest(of: owners.union(hints)))
    }
}

// MARK: Stand-ins

extension WriteOperation {
    /// Notes that the owner at a position, or the one the fallback there stands in for, needs somebody else.
    private mutating func wantStandIn(for position: Int) {
        guard isSloppy else { return }
        guard let owner = position < owners ? position : owner(ofHintAt: position) else { return }
        guard !held.contains(owner), !hasStandIn(owner) else { return }
        wanting.insert(owner)
    }

    /// Whether a fallback holds a hint for the owner or may yet.
    private mutating func hasStandIn(_ owner: Int) -> Bool {
        for holder in pending.union(held).subtracting(ownerSet) where self.owner(ofHintAt: holder) == owner {
            return true
        }
        return false
    }

    /// Gives owners that want a stand-in the next fallback of the walk, one whose word counts first.
    private mutating func assignStandIns(_ step: inout WriteStep) {
        let firstFallback = owners
        for owner in wanting {
            let counting = spare.intersection(able)
            let alike = counting.first { quorum.countsAlike(owner, $0) }
            guard let holder = alike ?? counting.first ?? spare.first else { break }
            spare.remove(holder)
            wanting.remove(owner)
            asked.insert(holder)
            pending.insert(holder)
            if ownerByFallback == nil { ownerByFallback = Array(repeating: 0, count: count - owners) }
            ownerByFallback?[holder - firstFallback] = UInt8(owner)
            step.send.insert(holder)
        }
        guard phase == .applied else { return }  // before, its own hint could contradict a `not applied`
        step.keepHints = wanting.subtracting(kept)
        kept.formUnion(wanting)
    }

    /// Owners that may yet be covered by what is out.
    private mutating func hopeful() -> PositionSet {
        var hopeful = pending.intersection(able).intersection(ownerSet)
        for holder in pending.intersection(able).subtracting(ownerSet) {
            if let owner = owner(ofHintAt: holder), quorum.countsAlike(owner, holder) { hopeful.insert(owner) }
        }
        return hopeful
    }

    /// Whether the quorum can be met by these owners and stand-ins for the others. Never false if it can.
    private mutating func canBeMet(with owners: PositionSet) -> Bool {
        if quorum.isMet(by: owners) { return true }
        let replaceable = ownerSet.subtracting(held).subtracting(refused).union(wanting)
        return quorum.isMet(by: owners, andAny: spare.intersection(able).count, of: replaceable)
    }
}
