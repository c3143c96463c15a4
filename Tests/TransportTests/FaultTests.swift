import MartletCore
import MartletRuntime
import MartletSimulator
import Testing

/// The faults of simulated messages: each strikes, is counted, and keeps to what it says.
@Suite struct FaultTests {
    /// Sends numbered messages from a to b, one turn each, over so much simulated time.
    private func talk(_ world: MessageWorld, _ a: TestNode, _ count: Int, first: Int = 0) {
        for number in first..<first + count {
            world.send(a, to: 2, [pattern(20, number)], first: UInt64(number))
            world.executor.run(for: .milliseconds(2))
        }
    }

    private func requests(_ node: TestNode) -> [UInt64] { node.recorder.messages.map(\.header.request) }

    @Test func aShortPartitionOnlyDelays() {
        let world = MessageWorld(seed: 1)
        defer { world.end() }
        let (a, b) = world.makePair()
        world.network.faults.partition([1], from: [2], oneWay: true)
        talk(world, a, 100)
        world.executor.run(for: .seconds(2))
        #expect(b.recorder.messages.isEmpty)
        world.send(b, to: 1, [[1]])  // the other way is free
        #expect(world.wait { a.recorder.messages.count == 1 })
        world.network.faults.heal()
        #expect(world.wait { b.recorder.messages.count == 100 })
        #expect(requests(b) == (0..<100).map { UInt64($0) })
        #expect(world.network.counters.held == 100 && world.network.counters.timeouts == 0)
        #expect(a.recorder.closed.isEmpty)
    }

    @Test(arguments: [false, true])
    func aLongPartitionBreaksTheLink(_ oneWay: Bool) {
        let world = MessageWorld(seed: 2)
        defer { world.end() }
        let (a, b) = world.makePair()
        talk(world, a, 5)
        world.network.faults.partition([1], from: [2], oneWay: oneWay)
        talk(world, a, 5, first: 5)
        world.executor.run(for: .seconds(20))
        #expect(a.recorder.closed.count == 1 && b.recorder.closed.count == 1)
        #expect(!world.isOpen(a, b) && a.recorder.opened.count == 1)
        #expect(world.network.counters.timeouts == 1 || !oneWay)
        world.network.faults.heal()
        #expect(world.wait { world.isOpen(a, b) })
        talk(world, a, 5, first: 10)
        #expect(world.wait { b.recorder.messages.count == 10 })
        #expect(requests(b) == (0..<5).map { UInt64($0) } + (10..<15).map { UInt64($0) })
        #expect(b.recorder.opened.map(\.session) == a.recorder.opened.map(\.session))
        #expect(b.recorder.opened[0].session < b.recorder.opened[1].session)
    }

    @Test func lossDuplicationAndReorderingStrike() {
        let world = MessageWorld(seed: 3)
        defer { world.end() }
        let (a, b) = world.makePair()
        world.network.faults.loss = 0.1
        world.network.faults.duplication = 0.1
        world.network.faults.reordering = 0.1
        talk(world, a, 1000)
        world.executor.run(for: .seconds(1))
        let counters = world.network.counters
        #expect(counters.sent == 1000)
        #expect((50...150).contains(counters.lost) && (50...150).contains(counters.duplicated))
        #expect((50...150).contains(counters.reordered))
        #expect(counters.delivered == 1000 - counters.lost + counters.duplicated)
        let heard = requests(b)
        #expect(UInt64(heard.count) == counters.delivered && heard != heard.sorted())
        #expect(UInt64(Set(heard).count) == 1000 - counters.lost)
        #expect(b.recorder.messages.allSatisfy { $0.payload == pattern(20, Int($0.header.request)) })
        #expect(a.recorder.closed.isEmpty)
    }

    @Test func resetsKeepThePromiseOfLinks() {
        let world = MessageWorld(seed: 4)
        defer { world.end() }
        let (a, b) = world.makePair()
        world.network.faults.resets = 0.02
        talk(world, a, 3000)
        world.network.faults.heal()
        world.executor.run(for: .seconds(10))
        let counters = world.network.counters
        #expect(counters.resets > 10)
        let heard = requests(b)
        #expect(heard == heard.sorted() && Set(heard).count == heard.count)
        #expect(counters.sent == counters.delivered + counters.dropped)
        #expect(counters.sent + counters.declined == 3000 && counters.dropped >= counters.resets)
        #expect(UInt64(b.recorder.closed.count) == counters.resets)
        #expect(a.recorder.closed == Array(a.recorder.opened.dropLast()))
        #expect(world.isOpen(a, b))
    }

    @Test func aCloggedWayIsSlowAndInOrder() {
        let world = MessageWorld(seed: 5)
        defer { world.end() }
        let (a, b) = world.makePair()
        world.network.faults.clog(from: 1, to: 2, by: .seconds(3))
        let start = world.executor.now
        talk(world, a, 50)
        #expect(b.recorder.messages.isEmpty)
        #expect(world.wait { b.recorder.messages.count == 50 })
        #expect(world.executor.now.since(start) >= .seconds(3))
        #expect(requests(b) == (0..<50).map { UInt64($0) })
        #expect(world.network.counters.clogged == 50)
    }

    @Test func aCrashIsHeardByThePeerAlone() {
        let world = MessageWorld(seed: 6)
        defer { world.end() }
        let (a, b) = world.makePair()
        world.network.crash(node: 2)
        #expect(world.wait { a.recorder.closed.count == 1 })
        #expect(!world.run(on: a) { a.transport.value.isOpen(to: 2) })
        #expect(world.network.counters.ended == 1)
        _ = b
    }

    /// What a seed does, as its trace.
    private func play(_ seed: UInt64) -> (hash: UInt64, counters: LinkFaultCounters) {
        let world = MessageWorld(seed: seed)
        let (a, b) = world.makePair()
        world.network.faults.resets = 0.01
        world.network.faults.loss = 0.05
        world.network.faults.duplication = 0.05
        world.network.faults.reordering = 0.05
        talk(world, a, 200)
        world.network.faults.partition([2], from: [1])
        talk(world, a, 100)
        world.executor.run(for: .seconds(8))
        world.network.faults.heal()
        talk(world, b, 100)
        world.end()
        return (world.executor.trace.hash, world.network.counters)
    }

    @Test(arguments: 1...10)
    func theSameSeedDoesTheSame(_ seed: UInt64) {
        let (first, second) = (play(seed), play(seed))
        #expect(first.hash == second.hash && first.counters == second.counters)
        #expect(play(seed + 100).hash != first.hash)
    }
}
