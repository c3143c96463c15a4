import MartletCore
import Testing

/// A cluster as a read sees it, and what may be said of an operation over it at any moment.
///
/// A version is a set of writes, as a bit mask; its digest is the mask, merging is union, 0 is not found.
struct ReadModel: Hashable {
    enum Bug: CaseIterable {
        /// One answer less than asked for is taken for enough.
        case oneTooFew
        /// The answer does not wait for the write-back.
        case noWriteBack
        /// A write-back that failed is taken for one that was done.
        case failedWriteBackCounts
        /// A replica that does not know is taken for one that knows there is nothing.
        case unknownCounts
        /// All records look alike.
        case digestsCollide
        /// Fallbacks are taken for owners' equals from the start.
        case fallbacksAreOwners
        /// The deadline is not told.
        case noDeadline
    }

    enum Event: Hashable {
        case answer(Int)
        case unknownHere(Int)
        case damaged(Int)
        case lost(Int)
        case notSent(Int)
        case speculate
        case fallbackDelay
        case merge
        case writeBack(Int)
        case failWriteBack(Int, applied: Bool)
        /// Another client's write reaches a replica.
        case write(Int)
        case deadline
    }

    enum Request: UInt8 { case none, digest, data }

    let owners: Int
    let count: Int
    let needed: Int
    let isSloppy: Bool
    let bug: Bug?
    /// Fewer kinds of events, for shapes that would have too many orders of them.
    var isBrief = false
    var operation: ReadOperation
    var stored: [UInt64]
    var requests: [Request]
    /// The record that came from each, and what each answered last.
    var records: [UInt64?]
    var answers: [UInt64?]
    var failed = PositionSet()
    var reachable = PositionSet()
    var merging: PositionSet?
    var merged: UInt64 = 0
    /// From the merge on: what is said later does not take back what was said before.
    var isMerged = false
    var writing = PositionSet()
    var answer: ReadAnswer?
    var isFinished = false
    var speculations = 0
    var delays = 0
    var writes = 0

    init(
        owners: Int, stored: [UInt64], needed: Int, isSloppy: Bool, mode: ReadOperation.Mode, bug: Bug? = nil
    ) {
        self.owners = owners
        count = stored.count
        self.needed = needed
        self.isSloppy = isSloppy
        self.bug = bug
        self.stored = stored
        requests = Array(repeating: .none, count: stored.count)
        records = Array(repeating: nil, count: stored.count)
        answers = records
        operation = ReadOperation(
            owners: bug == .fallbacksAreOwners ? stored.count : owners, count: stored.count,
            quorum: Quorum(needed: bug == .oneTooFew ? max(1, needed - 1) : needed), isSloppy: isSloppy, mode: mode,
            writesBack: bug != .noWriteBack)
    }

    var events: [Event] {
        var events: [Event] = [.deadline]
        if speculations < (isBrief ? 1 : 2), answer == nil { events.append(.speculate) }
        if delays < 1, answer == nil { events.append(.fallbackDelay) }
        if merging != nil { events.append(.merge) }
        for position in 0..<count {
            if requests[position] != .none {
                events += [.answer(position), .unknownHere(position), .lost(position)]
                if !isBrief { events += [.damaged(position), .notSent(position)] }
            }
            if writing.contains(position) {
                events += [.writeBack(position), .failWriteBack(position, applied: false)]
                if !isBrief { events.append(.failWriteBack(position, applied: true)) }
            }
            if writes == 0, position == 1, answer == nil { events.append(.write(position)) }
        }
        return events
    }

    mutating func start(reachable: PositionSet, preferring: PositionSet = PositionSet()) throws {
        self.reachable = reachable
        failed = PositionSet(0..<owners).subtracting(reachable)
        try perform(operation.start(reachable: reachable, preferring: preferring))
    }

    mutating func receive(_ event: Event) throws {
        var told: ReadEvent?
        switch event {
        case .answer(let position):
            let isFull = requests[position] == .data
            requests[position] = .none
            if !isMerged || answers[position] == nil { answers[position] = stored[position] }
            if isFull { records[position] = stored[position] }
            told = .reply(position, .version(version(stored[position])), isFull: isFull)
        case .unknownHere(let position):
            told = .reply(position, .unknownHere, isFull: requests[position] == .data)
            fail(position)
            if bug == .unknownCounts { told = .reply(position, .version(.notFound), isFull: true) }
        case .damaged(let position):
            told = .reply(position, .damaged, isFull: requests[position] == .data)
            fail(position)
        case .lost(let position):
            fail(position)
            told = .lost(position)
        case .notSent(let position):
            fail(position)
            told = .notSent(position)
        case .speculate:
            speculations += 1
            told = .speculate
        case .fallbackDelay:
            delays += 1
            told = .fallbackDelay
        case .merge:
            merged = (merging ?? PositionSet()).reduce(0) { $0 | (records[$1] ?? 0) }
            merging = nil
            told = .merged(digest: merged)
        case .writeBack(let position):
            writing.remove(position)
            stored[position] |= written
            told = .wroteBack(position)
        case .failWriteBack(let position, let isApplied):
            writing.remove(position)
            if isApplied { stored[position] |= written }
            told = bug == .failedWriteBackCounts ? .wroteBack(position) : .notWrittenBack(position)
        case .write(let position):
            writes += 1
            stored[position] |= 4
        case .deadline:
            if bug != .noDeadline { told = .deadline }
        }
        if let told {
            try perform(operation.receive(told))
            try checkRepetition(of: told)
        }
        if event == .deadline { try require(answer != nil && isFinished, "unanswered at the deadline") }
        let isIdle = requests.allSatisfy { $0 == .none } && merging == nil && writing.isEmpty
        try require(!isIdle || answer != nil, "nothing to wait for, and no answer")
    }

    private mutating func fail(_ position: Int) {
        requests[position] = .none
        failed.insert(position)
        if !isMerged { answers[position] = nil }
    }

    private func version(_ writes: UInt64) -> ReplicaVersion {
        writes == 0 ? .notFound : .found(bug == .digestsCollide ? 1 : writes)
    }

    /// The record that is written back and answered.
    private var written: UInt64 {
        switch operation.source {
        case .notFound: 0
        case .replica(let position): records[position] ?? 0
        case .merged: merged
        }
    }

    private func checkRepetition(of event: ReadEvent) throws {
        if event == .speculate || event == .fallbackDelay || bug != nil { return }
        var copy = operation
        let step = copy.receive(event)
        try require(step == ReadStep() && copy == operation, "\(event) twice is not as once")
    }

    private mutating func perform(_ step: ReadStep) throws {
        try require(!isFinished || step == ReadStep(), "something after the end")
        let asked = step.readData.union(step.readDigest)
        try require(asked.isSubset(of: reachable), "asked an unreachable one")
        if !asked.subtracting(PositionSet(0..<owners)).isEmpty, bug == nil { try checkFallbacksAreDue(asked) }
        for position in step.readDigest {
            try require(requests[position] == .none && answers[position] == nil, "asked twice")
            requests[position] = .digest
        }
        for position in step.readData {
            try require(requests[position] != .data && records[position] == nil, "asked twice for the record")
            requests[position] = .data
        }
        isMerged = isMerged || step.action == .merge || step.action == .writeBack
        if step.action == .merge {
            try require(merging == nil && merged == 0, "merged twice")
            let areHere = step.positions.count > 1 && step.positions.allSatisfy { records[$0] != nil }
            try require(areHere, "merges what is not here")
            merging = step.positions
        }
        if step.action == .writeBack || step.action == .repair {
            let mayWrite = PositionSet(0..<(bug == .fallbacksAreOwners ? count : owners))
            try require(step.positions.isSubset(of: mayWrite), "wrote to a fallback")
            try require(written != 0, "wrote nothing back")
        }
        if step.action == .writeBack { writing.formUnion(step.positions) }
        if step.isAnswered {
            guard let answer = operation.answer else { throw Violation("no answer") }
            try check(answer)
        }
        if step.action == .repair {
            for position in step.positions { stored[position] |= written }
        }
        isFinished = isFinished || step.isFinished
    }

    private func checkFallbacksAreDue(_ asked: PositionSet) throws {
        try require(isSloppy, "asked a fallback in a strict keyspace")
        for owner in PositionSet(0..<owners).intersection(reachable) {
            let isAsked = requests[owner] != .none || answers[owner] != nil || failed.contains(owner)
            try require(isAsked || asked.contains(owner), "a fallback before an owner")
        }
    }

    private mutating func check(_ answer: ReadAnswer) throws {
        try require(self.answer == nil, "answered twice")
        self.answer = answer
        guard case .value(let source, let receipt) = answer else { return }
        let value = source == .notFound ? 0 : written
        let all = receipt.owners.union(receipt.fallbacks)
        try require(all.count >= needed, "answered by \(all) of \(needed)")
        try require(source != .notFound || !receipt.owners.isEmpty, "not found, by the word of fallbacks alone")
        try require(receipt.owners.isSubset(of: PositionSet(0..<owners)), "a fallback among the owners")
        try require(receipt.fallbacks.isEmpty || isSloppy && receipt.owners.count < needed, "a fallback too many")
        for position in all {
            guard let said = answers[position] else { throw Violation("\(position) did not answer") }
            try require(said & ~value == 0, "what \(position) answered is left out")
        }
        guard needed > 1, receipt.fallbacks.isEmpty else { return }
        let holders = (0..<owners).count { value & ~stored[$0] == 0 }
        try require(holders >= needed, "answered what \(holders) of \(needed) owners hold")
    }

    private func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw Violation(what()) }
    }
}

/// Every state that some order of events leads to, each once.
struct ReadExploration {
    var states = 0
    var values = 0
    var refusals = 0

    mutating func explore(_ model: ReadModel, reachable: PositionSet) throws {
        var first = model
        try first.start(reachable: reachable)
        var seen: Set<ReadModel> = [first]
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
                if next.answer != nil, state.answer == nil {
                    if case .value = next.answer { values += 1 } else { refusals += 1 }
                }
                // What comes after the end changes nothing; that was seen just now.
                if !state.isFinished, seen.insert(next).inserted { open.append(next) }
            }
        }
    }
}
