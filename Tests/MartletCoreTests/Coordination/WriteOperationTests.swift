import MartletCore
import Testing

/// Single runs of a write that say what the rules come to; ``WriteOperationModelTests`` tries all orders.
@Suite struct WriteOperationTests {
    static func operation(
        owners: Int = 3, count: Int = 5, needed: Int = 2, durability: ReplicaDurability = .none, isSloppy: Bool = true
    ) -> WriteOperation {
        WriteOperation(
            owners: owners, count: count, quorum: Quorum(needed: needed), durability: durability, isSloppy: isSloppy)
    }

    @Test("owners are sent to at once, W answers are enough, the last ends it")
    func plain() {
        var operation = Self.operation()
        var step = operation.start()
        #expect(step.send == [0, 1, 2] && !step.isAnswered)
        step = operation.receive(.acknowledged(2, .always))
        #expect(step == WriteStep())
        step = operation.receive(.acknowledged(0, .interval))
        #expect(step.isAnswered && !step.isFinished)
        let receipt = WriteReceipt(owners: [0, 2], hints: [], weakest: .interval)
        #expect(operation.answer == .applied(receipt))
        step = operation.receive(.acknowledged(1, .always))
        #expect(step.isFinished && step.owed.isEmpty && !step.isAnswered)
        #expect(operation.receive(.deadline) == WriteStep())
    }

    @Test("an owner that cannot be reached gets a stand-in at once, whose hint counts in a sloppy keyspace")
    func standIn() {
        var operation = Self.operation(needed: 3)
        #expect(operation.start(reachable: [0, 1, 3, 4]).send == [0, 1, 3])
        #expect(operation.owner(ofHintAt: 3) == 2 && operation.owner(ofHintAt: 4) == nil)
        _ = operation.receive(.acknowledged(0, .always))
        _ = operation.receive(.acknowledged(1, .always))
        let step = operation.receive(.acknowledged(3, .none))
        #expect(operation.answer == .applied(WriteReceipt(owners: [0, 1], hints: [3], weakest: .none)))
        #expect(step.isAnswered && step.isFinished && step.owed.isEmpty)
    }

    @Test("an owner and its stand-in count once")
    func once() {
        var operation = Self.operation(needed: 3)
        _ = operation.start()
        #expect(operation.receive(.hintDelay).send == [3, 4])  // for 0 and 1; there is nobody left for 2
        #expect(!operation.receive(.acknowledged(0, .always)).isAnswered)
        #expect(!operation.receive(.acknowledged(3, .always)).isAnswered)
        #expect(!operation.receive(.acknowledged(4, .always)).isAnswered)
        #expect(operation.receive(.acknowledged(2, .always)).isAnswered)
        #expect(operation.answer == .applied(WriteReceipt(owners: [0, 2], hints: [4], weakest: .always)))
    }

    @Test("a stand-in that fails is followed by the next of the walk, then the coordinator keeps the hint itself")
    func exhausted() {
        var operation = Self.operation(needed: 1)
        _ = operation.start()
        #expect(operation.receive(.lost(1)).send == [3])
        #expect(operation.receive(.refused(3, .busy)).send == [4])
        let answered = operation.receive(.acknowledged(0, .always))
        #expect(answered.isAnswered && answered.keepHints.isEmpty)
        #expect(operation.receive(.notSent(4)).keepHints == [1])
        let last = operation.receive(.acknowledged(2, .always))
        #expect(last.isFinished && last.owed.isEmpty)
    }

    @Test("a stand-in is not kept for a write that was never applied")
    func nothingKept() {
        var operation = Self.operation(owners: 1, count: 2, needed: 1)
        _ = operation.start()
        #expect(operation.receive(.notSent(0)).send == [1])
        let step = operation.receive(.refused(1, .outOfMemory))
        #expect(operation.answer == .notApplied(.refused(.outOfMemory)))
        #expect(step.isFinished && step.keepHints.isEmpty && step.owed.isEmpty)
    }

    @Test("in strict keyspaces there are no stand-ins, and those without the write are owed it")
    func strict() {
        var operation = Self.operation(isSloppy: false)
        #expect(operation.start(reachable: [0, 1, 3, 4]).send == [0, 1])
        #expect(operation.receive(.hintDelay) == WriteStep())
        _ = operation.receive(.acknowledged(0, .always))
        let step = operation.receive(.acknowledged(1, .always))
        #expect(step.isAnswered && step.isFinished && step.owed == [2])
    }

    @Test("a level that cannot be met is refused before anything is sent")
    func refusedBefore() {
        var strict = Self.operation(isSloppy: false)
        let step = strict.start(reachable: [1, 3, 4])
        #expect(step.isAnswered && step.isFinished && step.send.isEmpty)
        #expect(strict.answer == .notApplied(.noQuorum(reachable: 1, needed: 2)))
        var volatile = Self.operation(needed: 3, durability: .always, isSloppy: false)
        #expect(volatile.start(able: [0, 1]).send.isEmpty)
        #expect(volatile.answer == .notApplied(.durabilityUnmet))
    }

    @Test("an acknowledgement below the durability asked for does not count, but it makes the outcome unknown")
    func durability() {
        var operation = Self.operation(owners: 2, count: 2, needed: 2, durability: .always, isSloppy: false)
        _ = operation.start()
        let step = operation.receive(.acknowledged(0, .interval))
        #expect(step.isAnswered && operation.answer == .unknown(acknowledged: 0, needed: 2))
        let last = operation.receive(.refused(1, .tooLarge))
        #expect(last.isFinished && last.owed == [1])
    }

    @Test("not applied only if all that were handed the write refused it; the most telling reason is given")
    func refused() {
        var operation = Self.operation(isSloppy: false)
        _ = operation.start()
        _ = operation.receive(.refused(0, .busy))
        _ = operation.receive(.notSent(1))
        let step = operation.receive(.refused(2, .tooLarge))
        #expect(step.isAnswered && step.isFinished && operation.answer == .notApplied(.refused(.tooLarge)))
        var other = Self.operation(isSloppy: false)
        _ = other.start()
        _ = other.receive(.refused(0, .busy))
        _ = other.receive(.refused(1, .busy))
        #expect(other.receive(.lost(2)).isAnswered)
        #expect(other.answer == .unknown(acknowledged: 0, needed: 2))
    }

    @Test("an owner whose engine has failed gets a stand-in, a busy one does not")
    func failedOwner() {
        var operation = Self.operation()
        _ = operation.start()
        #expect(operation.receive(.refused(0, .busy)).send.isEmpty)
        #expect(operation.receive(.refused(1, .closed)).send == [3])
    }

    @Test("a majority in each data center: a hint elsewhere does not count for an owner here")
    func centers() throws {
        // Owners 0, 1, 2 in a and 3, 4, 5 in b; fallback 6 in b, 7 in a.
        let placement = ReplicaPlacement(
            owners: 6, count: 8, centers: [[0, 1, 2, 7], [3, 4, 5, 6]], localCenter: 0)
        var operation = WriteOperation(
            owners: 6, count: 8, quorum: try Quorum(.eachQuorum, in: placement), durability: .none, isSloppy: true)
        #expect(operation.start(reachable: [0, 3, 4, 5, 6, 7]).send == [0, 3, 4, 5, 6, 7])
        #expect(operation.owner(ofHintAt: 7) == 1 && operation.owner(ofHintAt: 6) == 2)
        for position in [0, 3, 4, 5, 6] { #expect(!operation.receive(.acknowledged(position, .none)).isAnswered) }
        #expect(operation.receive(.acknowledged(7, .none)).isAnswered)
        let receipt = WriteReceipt(owners: [0, 3, 4, 5], hints: [7], weakest: .none)
        #expect(operation.answer == .applied(receipt))
        var local = WriteOperation(
            owners: 6, count: 8, quorum: try Quorum(.localQuorum, in: placement), durability: .none, isSloppy: false)
        _ = local.start()
        for position in [0, 3, 4, 5] { #expect(!local.receive(.acknowledged(position, .none)).isAnswered) }
        #expect(local.receive(.acknowledged(2, .none)).isAnswered)
    }

    @Test("events of positions that were never asked, or are none, are ignored")
    func strangers() {
        var operation = Self.operation()
        _ = operation.start()
        let before = operation
        for position in [3, 4, 5, 63, 64, -1, .max, .min] {
            #expect(operation.receive(.acknowledged(position, .always)) == WriteStep())
            #expect(operation.receive(.refused(position, .busy)) == WriteStep())
            #expect(operation.receive(.lost(position)) == WriteStep())
            #expect(operation.receive(.notSent(position)) == WriteStep())
        }
        #expect(operation == before)
    }
}
