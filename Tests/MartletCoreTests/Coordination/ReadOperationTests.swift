import MartletCore
import Testing

/// Single runs of a read that say what the rules come to; ``ReadOperationModelTests`` tries all orders.
@Suite struct ReadOperationTests {
    static func operation(
        needed: Int = 2, isSloppy: Bool = true, mode: ReadOperation.Mode = .data
    ) -> ReadOperation {
        ReadOperation(owners: 3, count: 5, quorum: Quorum(needed: needed), isSloppy: isSloppy, mode: mode)
    }

    static func found(_ position: Int, _ digest: UInt64, isFull: Bool = true) -> ReadEvent {
        .reply(position, .version(.found(digest)), isFull: isFull)
    }

    @Test("R owners are asked, preferred ones first; equal answers are the answer")
    func equal() {
        var operation = Self.operation()
        #expect(operation.start(preferring: [2]).readData == [0, 2])
        #expect(operation.receive(Self.found(0, 9)) == ReadStep())
        let step = operation.receive(Self.found(2, 9))
        #expect(step.isAnswered && step.isFinished && step.action == .none)
        let receipt = ReadReceipt(owners: [0, 2], fallbacks: [], differed: false)
        #expect(operation.answer == .value(.replica(0), receipt))
    }

    @Test("with digests one is asked for the record; where they differ the others' records are fetched")
    func digests() {
        var operation = Self.operation(mode: .digests)
        let first = operation.start()
        #expect(first.readData == [0] && first.readDigest == [1])
        _ = operation.receive(Self.found(0, 1))
        #expect(operation.receive(Self.found(1, 2, isFull: false)).readData == [1])
        let merge = operation.receive(Self.found(1, 2))
        #expect(merge.action == .merge && merge.positions == [0, 1])
        let write = operation.receive(.merged(digest: 2))
        #expect(write.action == .writeBack && write.positions == [0] && !write.isAnswered)
        let last = operation.receive(.wroteBack(0))
        #expect(last.isAnswered && last.isFinished)
        let receipt = ReadReceipt(owners: [0, 1], fallbacks: [], differed: true)
        #expect(operation.answer == .value(.merged, receipt))
    }

    @Test("a digest that comes before the record waits for it")
    func digestFirst() {
        var operation = Self.operation(mode: .digests)
        _ = operation.start()
        #expect(operation.receive(Self.found(1, 5, isFull: false)) == ReadStep())
        #expect(operation.receive(Self.found(0, 5)).isAnswered)
        #expect(operation.answer == .value(.replica(0), ReadReceipt(owners: [0, 1], fallbacks: [], differed: false)))
    }

    @Test("a record that one lacks is written back to it without a merge")
    func lacking() {
        var operation = Self.operation()
        _ = operation.start()
        _ = operation.receive(.reply(0, .version(.notFound), isFull: true))
        let step = operation.receive(Self.found(1, 4))
        #expect(step.action == .writeBack && step.positions == [0] && operation.source == .replica(1))
        #expect(operation.receive(.wroteBack(0)).isAnswered)
    }

    @Test("if the write-back fails, the third owner is written to; if that fails, there is no quorum")
    func failedWriteBack() {
        var operation = Self.operation()
        _ = operation.start()
        _ = operation.receive(Self.found(0, 1))
        _ = operation.receive(.reply(1, .version(.notFound), isFull: true))
        let again = operation.receive(.notWrittenBack(1))
        #expect(again.action == .writeBack && again.positions == [2])
        let last = operation.receive(.notWrittenBack(2))
        #expect(last.isAnswered && last.isFinished && operation.answer == .noQuorum(answers: 1, needed: 2))
    }

    @Test("reads of one owner answer at once and write nothing back")
    func one() {
        var operation = Self.operation(needed: 1)
        #expect(operation.start(preferring: [1]).readData == [1])
        #expect(operation.receive(.speculate).readData == [0])
        let step = operation.receive(.reply(0, .version(.notFound), isFull: true))
        #expect(step.isAnswered && !step.isFinished && operation.answer.map { "\($0)" }?.contains("notFound") == true)
        #expect(operation.receive(Self.found(1, 3)).action == .none)
    }

    @Test("owners that do not know are passed over, a damaged record is repaired")
    func unknown() {
        var operation = Self.operation()
        _ = operation.start()
        #expect(operation.receive(.reply(0, .damaged, isFull: true)).readData == [2])
        _ = operation.receive(Self.found(1, 7))
        let step = operation.receive(Self.found(2, 7))
        #expect(step.isAnswered && step.action == .repair && step.positions == [0])
        var strict = Self.operation(isSloppy: false)
        _ = strict.start()
        _ = strict.receive(.reply(0, .unknownHere, isFull: true))
        let last = strict.receive(.reply(1, .unknownHere, isFull: true))
        #expect(last.isAnswered && last.isFinished && strict.answer == .noQuorum(answers: 0, needed: 2))
    }

    @Test("the speculation timer asks the next owner; a late answer that differs is repaired")
    func speculation() {
        var operation = Self.operation()
        _ = operation.start()
        _ = operation.receive(Self.found(0, 6))
        #expect(operation.receive(.speculate).readData == [2])
        #expect(operation.receive(Self.found(2, 6)).isAnswered)
        let late = operation.receive(.reply(1, .version(.notFound), isFull: true))
        #expect(late.action == .repair && late.positions == [1] && late.isFinished)
    }

    @Test("what the R lack is written back to them, not to an owner that was not asked")
    func writeBackTarget() {
        var operation = Self.operation()
        #expect(operation.start(preferring: [1, 2]).readData == [1, 2])
        _ = operation.receive(Self.found(1, 4))
        let step = operation.receive(.reply(2, .version(.notFound), isFull: true))
        #expect(step.action == .writeBack && step.positions == [2])
    }

    @Test("speculation stops at the owners; silent ones are replaced after the fallback delay")
    func silence() {
        var operation = Self.operation(needed: 3)
        _ = operation.start()
        _ = operation.receive(Self.found(1, 4))
        #expect(operation.receive(.speculate) == ReadStep())
        #expect(operation.receive(.fallbackDelay).readData == [3, 4])
        #expect(operation.receive(.fallbackDelay) == ReadStep())
        #expect(!operation.receive(Self.found(4, 4)).isAnswered)
        #expect(operation.receive(Self.found(0, 4)).isAnswered)
        let receipt = ReadReceipt(owners: [0, 1], fallbacks: [4], differed: false)
        #expect(operation.answer == .value(.replica(0), receipt))
        var strict = Self.operation(needed: 3, isSloppy: false)
        _ = strict.start()
        #expect(strict.receive(.fallbackDelay) == ReadStep())
    }

    @Test("fallbacks fill in in sloppy keyspaces only, once owners are not to be had, and are never written to")
    func fallbacks() {
        var operation = Self.operation()
        #expect(operation.start(reachable: [1, 3, 4]).readData == [1, 3])
        _ = operation.receive(.reply(1, .version(.notFound), isFull: true))
        let step = operation.receive(Self.found(3, 8))
        #expect(step.action == .writeBack && step.positions == [1])
        #expect(operation.receive(.wroteBack(1)).isAnswered)
        let receipt = ReadReceipt(owners: [1], fallbacks: [3], differed: true)
        #expect(operation.answer == .value(.replica(3), receipt))
        var alone = Self.operation()
        #expect(alone.start(reachable: [3, 4]).readData == [3, 4])
        _ = alone.receive(.reply(3, .version(.notFound), isFull: true))
        let last = alone.receive(.reply(4, .version(.notFound), isFull: true))
        #expect(last.isFinished && alone.answer == .noQuorum(answers: 0, needed: 2))
        var strict = Self.operation(isSloppy: false)
        let refused = strict.start(reachable: [1, 3, 4])
        #expect(refused.isAnswered && refused.readData.isEmpty && strict.answer == .noQuorum(answers: 0, needed: 2))
    }

    @Test("a majority in each data center is asked and waited for")
    func centers() throws {
        let placement = ReplicaPlacement(owners: 6, count: 6, centers: [[0, 2, 4], [1, 3, 5]], localCenter: 1)
        let each = try Quorum(.eachQuorum, in: placement)
        var operation = ReadOperation(owners: 6, count: 6, quorum: each, isSloppy: false)
        #expect(operation.start().readData == [0, 2, 1, 3])
        for position in [0, 2, 3] { #expect(operation.receive(Self.found(position, 1)) == ReadStep()) }
        #expect(operation.receive(.lost(1)).readData == [5])
        #expect(operation.receive(Self.found(5, 1)).isAnswered)
        let quorum = try Quorum(.localQuorum, in: placement)
        var local = ReadOperation(owners: 6, count: 6, quorum: quorum, isSloppy: false)
        #expect(local.start().readData == [1, 3])
        #expect(local.receive(.speculate).readData == [5])
        #expect(local.receive(.speculate).readData.isEmpty)
    }

    @Test("events of positions that were never asked, or are none, are ignored")
    func strangers() {
        var operation = Self.operation()
        _ = operation.start()
        let before = operation
        for position in [2, 3, 5, 63, 64, -1, .max, .min] {
            #expect(operation.receive(Self.found(position, 1)) == ReadStep())
            #expect(operation.receive(.lost(position)) == ReadStep())
            #expect(operation.receive(.wroteBack(position)) == ReadStep())
        }
        #expect(operation.receive(.merged(digest: 1)) == ReadStep() && operation == before)
    }
}
