import MartletCore
import MartletNode
import MartletRuntime
import Testing

@Suite struct TransportTests {
    @Test func messagesGoBothWays() {
        let world = RealWorld()
        defer { world.end() }
        let (a, b) = (world.makeNode(1, NodeOptions()), world.makeNode(2, NodeOptions()))
        world.connectBoth(a, b)
        #expect(world.wait { world.isOpen(a, to: b) && world.isOpen(b, to: a) })
        #expect(world.send(a, to: 2, [[1, 2, 3], []]) == 2)
        #expect(world.send(b, to: 1, [[4]]) == 1)
        #expect(world.wait { b.recorder.messages.count == 2 && a.recorder.messages.count == 1 })
        #expect(b.recorder.messages.map(\.payload) == [[1, 2, 3], []])
        #expect(a.recorder.messages[0].session.node == 2)
        #expect(a.recorder.opened[0].session == b.recorder.opened[0].session)
    }
}
