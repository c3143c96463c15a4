import MartletCore
import MartletNode
import MartletRuntime
import MartletSimulator
import Testing

/// What a turn sends goes out together.
@Suite struct CoalescingTests {
    @Test(arguments: [Kind.tcp, .inProcess])
    func aTurnsMessagesComeInOnePiece(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let tap = Tap()
        var options = NodeOptions()
        options.settings.pingInterval = .seconds(1000)
        let b = world.makeNode(2, options)
        options.tap = tap
        let a = world.makeNode(1, options)
        world.connectBoth(a, b)
        #expect(world.wait { world.isOpen(a, b) })
        tap.pieces.withLock { $0 = 0 }
        let payloads = (0..<100).map { pattern(10, $0) }
        world.send(b, to: 1, payloads)
        #expect(world.wait { a.recorder.messages.count == 100 })
        #expect(tap.pieces.withLock { $0 } == 1)  // one send of 5,800 bytes
        #expect(a.recorder.messages.map(\.payload) == payloads)
    }

    @Test func aTurnsMessagesTravelTogetherInSimulation() {
        let world = MessageWorld(seed: 4)
        defer { world.end() }
        let (a, b) = world.makePair()
        let moments = Lock<Set<UInt64>>([])
        let executor = world.executor
        b.recorder.onMessage.withLock {
            $0 = { _, _ in moments.withLock { _ = $0.insert(executor.now.nanoseconds) } }
        }
        world.send(a, to: 2, (0..<100).map { pattern(10, $0) })
        #expect(world.wait { b.recorder.messages.count == 100 })
        #expect(moments.withLock { $0.count } == 1)
    }
}
