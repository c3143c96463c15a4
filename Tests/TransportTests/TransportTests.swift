import MartletCore
import MartletNode
import MartletRuntime
import Testing

/// What every transport must do.
@Suite struct TransportTests {
    @Test(arguments: Kind.allCases)
    func messagesComeInOrderAndUnaltered(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let (a, b) = world.makePair()
        let payloads = (0..<2000).map { pattern($0 % 50 == 0 ? 20_000 : $0 % 300, $0) }
        for start in stride(from: 0, to: payloads.count, by: 40) {
            let part = Array(payloads[start..<start + 40])
            #expect(world.send(a, to: 2, part, first: UInt64(start)) == 40)
            #expect(world.send(b, to: 1, part, first: UInt64(start)) == 40)
        }
        #expect(world.wait { a.recorder.messages.count >= 2000 && b.recorder.messages.count >= 2000 })
        for (node, peer) in [(a, b), (b, a)] {
            #expect(node.recorder.messages.map(\.payload) == payloads)
            #expect(node.recorder.messages.map(\.header.request) == (0..<2000).map { UInt64($0) })
            let session = node.recorder.opened.last
            #expect(node.recorder.messages.allSatisfy { $0.session == session })
            #expect(session?.node == peer.id && session?.incarnation == 7)
            let header = node.recorder.messages[1].header
            #expect(
                header
                    == MessageHeader(kind: MessageKind(rawValue: 1), request: 1, deadline: 1000, epoch: 3, stamp: 5))
        }
        #expect(a.recorder.opened.last?.session == b.recorder.opened.last?.session)
    }

    @Test(arguments: Kind.allCases)
    func nothingIsTakenWithoutALink(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let a = world.makeNode(1)
        #expect(world.send(a, to: 2, [[1]]) == 0)
        let stranger = PeerSession(node: 2, incarnation: 7, session: 1)
        #expect(
            !world.run(on: a) {
                a.transport.value.reply(to: stranger, MessageHeader(kind: MessageKind(rawValue: 1))) { _ in }
            })
    }

    @Test(arguments: Kind.allCases)
    func answersGoByTheSameLink(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let (a, b) = world.makePair()
        b.recorder.onMessage.withLock {
            $0 = { header, session in
                let isTaken = b.transport.value.reply(to: session, header) { $0.append(littleEndian: header.request) }
                precondition(isTaken)
            }
        }
        world.send(a, to: 2, [[], [], []], first: 9)
        #expect(world.wait { a.recorder.messages.count == 3 })
        #expect(a.recorder.messages.map { $0.payload[0] } == [9, 10, 11])
    }

    @Test(arguments: Kind.allCases)
    func bytesThatAreNotTakenHoldTheSenderBack(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        var options = NodeOptions()
        options.settings.unsentLimit = 64 << 10
        let (a, b) = world.makePair(options)
        world.setUnsentLimit(64 << 10)
        let payloads = [[UInt8]](repeating: pattern(1000, 1), count: 200)
        let taken = world.send(a, to: 2, payloads)
        #expect(taken == 63)  // 62 frames of 1,048 bytes are below the limit
        #expect(world.wait { b.recorder.messages.count == taken })
        #expect(world.wait { world.send(a, to: 2, [[7]]) == 1 })
        #expect(world.wait { b.recorder.messages.last?.payload == [7] })
        #expect(b.recorder.messages.count == taken + 1)
    }

    @Test(arguments: Kind.allCases)
    func aMessageThatIsTooLongIsDeclined(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let (a, b) = world.makePair()
        #expect(world.send(a, to: 2, [[UInt8](repeating: 0, count: Frame.longest)]) == 0)
        world.send(a, to: 2, [[1]])
        #expect(world.wait { b.recorder.messages.count == 1 })
        #expect(b.recorder.messages[0].payload == [1] && a.recorder.closed.isEmpty)
    }

    @Test(arguments: Kind.allCases)
    func aPeerThatComesBackIsANewSession(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let (a, b) = world.makePair()
        world.send(a, to: 2, [[1]])
        #expect(world.wait { b.recorder.messages.count == 1 })
        world.end(b)
        #expect(world.wait { a.recorder.closed.count == 1 })
        #expect(world.send(a, to: 2, [[2]]) == 0)
        var options = NodeOptions()
        options.incarnation = 8
        options.address = b.address
        let again = world.makeNode(2, options)
        world.keep(again, 1, at: a.address)
        #expect(world.wait { world.isOpen(a, again) })
        let sessions = a.recorder.opened
        #expect(a.recorder.closed == [sessions[0]])
        #expect(sessions.last?.incarnation == 8 && sessions.last!.session > sessions[0].session)
        world.send(a, to: 2, [[3]])
        #expect(world.wait { again.recorder.messages.count == 1 })
        #expect(again.recorder.messages[0].payload == [3])
    }

    @Test(arguments: Kind.allCases)
    func nothingIsHeardAfterClose(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let (a, b) = world.makePair()
        world.send(a, to: 2, [[1], [2]])
        world.run(on: b) { b.transport.value.close() }
        let heard = b.recorder.messages.count
        #expect(world.wait { a.recorder.closed.count == 1 })
        #expect(b.recorder.messages.count == heard && b.recorder.closed.isEmpty)
        #expect(world.run(on: b) { b.transport.value.receiver == nil && !b.transport.value.isOpen(to: 1) })
    }
}
