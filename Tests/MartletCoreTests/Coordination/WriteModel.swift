import MartletCore
import Testing

/// A cluster as a write sees it, and what may be said of an operation over it at any moment.
///
/// `truth` is what the events claim, kept apart from the operation, so that the operation can be fed lies
/// (``WriteModel/Bug``) and be caught.
struct WriteModel: Hashable {
    enum Bug: CaseIterable {
        /// One acknowledgement less than asked for is taken for enough.
        case oneTooFew
        /// A broken link is taken for a refusal.
        case lostIsRefused
        /// Every acknowledgement is taken for a durable one.
        case durabilityIgnored
        /// Hints are counted where they must not be.
        case hintsInStrict
        /// The deadline is not told.
        case noDeadline
    }

    enum Truth: UInt8 {
        case idle, pending, durable, weak, refused, lost, notSent
    }

    let owners: Int
    let count: Int
    let needed: Int
    let isSloppy: Bool
    let bug: Bug?
    /// Fewer kinds of events, for shapes that would have too many orders of them.
    var isBrief = false
    var operation: WriteOperation
    var truth: [Truth]
    var answer: WriteAnswer?
    var isFinished = false
    var delays = 0

    init(owners: Int, fallbacks: Int, needed: Int, isSloppy: Bool, bug: Bug? = nil) {
        self.owners = owners
        self.needed = needed
        self.isSloppy = isSloppy
        self.bug = bug
        count = owners + fallbacks
        operation = WriteOperation(
            owners: owners, count: count, quorum: Quorum(needed: bug == .oneTooFew ? max(1, needed - 1) : needed),
            durability: .always, isSloppy: isSloppy || bug == .hintsInStrict)
        truth = Array(repeating: .idle, count: count)
    }

    /// What can happen next.
    var events: [WriteEvent] {
        var events: [WriteEvent] = [.deadline]
        if delays < 1 { events.append(.hintDelay) }
        for position in 0..<count {
            switch truth[position] {
            case .pending:
                events += [.acknowledged(position, .always), .refused(position, .busy), .lost(position)]
                if isBrief { continue }
                events += [.acknowledged(position, .interval), .notSent(position)]
                if position < owners { events.append(.refused(position, .closed)) }
            case .lost:
                events.append(.acknowledged(position, .always))
                if !isBrief { events.append(.refused(position, .busy)) }
            case .idle, .durable, .weak, .refused, .notSent: break
            }
        }
        return events
    }

    mutating func start(reachable: PositionSet, able: PositionSet) throws {
        for position in 0..<owners where !reachable.contains(position) { truth[position] = .notSent }
        try perform(operation.start(reachable: reachable, able: able))
        for position in 0..<count where !reachable.contains(position) {
            #expect(truth[position] == .idle || truth[position] == .notSent, "sent to an unreachable one")
        }
    }

    mutating func receive(_ event: WriteEvent) throws {
        var told: WriteEvent? = event
        switch event {
        case .acknowledged(let position, let durability):
            truth[position] = durability == .always ? .durable : .weak
            if bug == .durabilityIgnored { told = .acknowledged(position, .always) }
        case .refused(let position, _): truth[position] = .refused
        case .lost(let position):
            truth[position] = .lost
            if bug == .lostIsRefused { told = .refused(position, .busy) }
        case .notSent(let position): truth[position] = .notSent
        case .hintDelay: delays += 1
        case .deadline: if bug == .noDeadline { told = nil }
        }
        if let told { try perform(operation.receive(told)) }
        if case .deadline = event { try require(answer != nil && isFinished, "unanswered at the deadline") }
        try checkRepetition(of: told)
    }

    /// The same event once more does nothing.
    private func checkRepetition(of event: WriteEvent?) throws {
        guard let event, bug == nil else { return }
        if case .hintDelay = event { return }  // may bring on more stand-ins
        var copy = operation
        let step = copy.receive(event)
        try require(step == WriteStep() && copy == operation, "\(event) twice is not as once")
    }

    private mutating func perform(_ step: WriteStep) throws {
        try require(!isFinished || step == WriteStep(), "something after the end")
        let hints = step.send.intersection(PositionSet(owners..<count))
        try require(step.send.isSubset(of: PositionSet(0..<count)), "sent to nobody")
        try require(isSloppy || hints.isEmpty || bug == .hintsInStrict, "a hint in a strict keyspace")
        for position in step.send {
            try require(truth[position] == .idle, "sent twice to \(position)")
            truth[position] = .pending
        }
        for holder in hints { try checkHint(at: holder) }
        if step.isAnswered {
            guard let answer = operation.answer else { throw Violation("no answer") }
            try check(answer)
        }
        if step.isFinished { try checkEnd(step) }
        isFinished = isFinished || step.isFinished
        if case .notApplied = answer { try require(step.send.isEmpty, "sent after `not applied`") }
    }

    private func checkHint(at holder: Int) throws {
        guard let owner = operation.owner(ofHintAt: holder) else { throw Violation("a hint for nobody") }
        try require(owner < owners && truth[owner] != .durable && truth[owner] != .weak, "a hint for one that has it")
        for other in owners..<count where other != holder && operation.owner(ofHintAt: other) == owner {
            try require(truth[other] != .pending && truth[other] != .durable && truth[other] != .weak, "two stand-ins")
        }
    }

    /// Owners that hold the write durably, or by a stand-in where that counts.
    private var covered: PositionSet {
        var covered = PositionSet()
        for position in 0..<count where truth[position] == .durable {
            if position < owners { covered.insert(position) }
            if position >= owners, isSloppy { covered.insert(operation.owner(ofHintAt: position) ?? -1) }
        }
        return covered
    }

    private mutating func check(_ answer: WriteAnswer) throws {
        try require(self.answer == nil, "answered twice")
        self.answer = answer
        switch answer {
        case .applied(let receipt):
            try require(covered.count >= needed, "applied with \(covered.count) of \(needed)")
            try require(receipt.count >= needed && receipt.weakest == .always, "the receipt says less")
            try require(receipt.owners.allSatisfy { truth[$0] == .durable && $0 < owners }, "the receipt lies")
            try require(receipt.hints.allSatisfy { truth[$0] == .durable && $0 >= owners }, "the receipt lies")
        case .notApplied(let reason):
            let mayHold = truth.contains { $0 == .pending || $0 == .durable || $0 == .weak || $0 == .lost }
            try require(!mayHold, "not applied, but a replica may hold it")
            if case .refused = reason { try require(truth.contains(.refused), "nobody refused") }
        case .unknown(let acknowledged, let needed):
            try require(acknowledged == covered.count && needed >= 1, "unknown with wrong counts")
            try require(covered.count < self.needed, "unknown with enough")
            let mayHold = truth.contains { $0 == .pending || $0 == .durable || $0 == .weak || $0 == .lost }
            try require(mayHold, "unknown, but it was applied nowhere")
        }
    }

    private func checkEnd(_ step: WriteStep) throws {
        try require(answer != nil, "ended unanswered")
        if case .notApplied = answer {
            try require(step.owed.isEmpty && step.keepHints.isEmpty, "owed, though not applied")
            return
        }
        var owed = PositionSet(0..<owners)
        for position in 0..<count where truth[position] == .durable || truth[position] == .weak {
            owed.remove(position < owners ? position : operation.owner(ofHintAt: position) ?? -1)
        }
        // A hint that the coordinator keeps itself may be owed no more: it keeps it in a sloppy keyspace only.
        try require(step.owed.isSubset(of: owed), "owed to one that has it")
        try require(isSloppy || step.owed == owed, "an owner is forgotten")
    }

    private func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw Violation(what() + " \(truth)") }
    }
}

struct Violation: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Every state that some order of events leads to, each once.
struct Exploration {
    var states = 0
    var answers: [String: Int] = [:]

    mutating func explore(_ model: WriteModel, reachable: PositionSet, able: PositionSet) throws {
        var first = model
        try first.start(reachable: reachable, able: able)
        var seen: Set<WriteModel> = [first]
        var open = [first]
        while let state = open.popLast() {
            states += 1
            for event in state.events {
                var next = state
                do {
                    try next.receive(event)
                } catch {
                    throw Violation("\(error) after \(event) in \(state)")
                }
                if next.answer != nil, state.answer == nil { count(next.answer) }
                // What comes after the end changes nothing; that was seen just now.
                if !state.isFinished, seen.insert(next).inserted { open.append(next) }
            }
        }
    }

    private mutating func count(_ answer: WriteAnswer?) {
        switch answer {
        case .applied: answers["applied", default: 0] += 1
        case .notApplied: answers["not applied", default: 0] += 1
        case .unknown: answers["unknown", default: 0] += 1
        case nil: break
        }
    }
}
