import MartletCore
import Testing

/// The messages of failure detection read back what was written, and nothing else.
@Suite struct FailureMessageTests {
    static func claim(_ random: inout Seeded) -> LivenessClaim {
        let node = UInt32(truncatingIfNeeded: random.number())
        let refutation = random.number() >> 16
        let other = UInt32(truncatingIfNeeded: random.number())
        switch random.next() % 3 {
        case 0: return .alive(node, refutation: refutation, incarnation: random.next())
        case 1: return .suspect(node, refutation: refutation, by: other)
        default: return .dead(node, refutation: refutation, by: other)
        }
    }

    static func message(_ random: inout Seeded) -> FailureMessage {
        let sequence = UInt32(truncatingIfNeeded: random.next())
        let body: FailureMessage.Body =
            switch random.next() % 4 {
            case 0: .probe(sequence: sequence)
            case 1: .reply(sequence: sequence, isReached: random.next() % 2 == 0)
            case 2: .indirectProbe(sequence: sequence, target: UInt32(truncatingIfNeeded: random.next()))
            default: .view(wantsAnswer: random.next() % 2 == 0)
            }
        var message = FailureMessage(
            body, refutation: random.number() >> 16, incarnation: random.next(),
            claims: (0..<Int(random.next() % 5)).map { _ in claim(&random) })
        message.clock = random.number()
        return message
    }

    static func bytes(_ message: FailureMessage) -> [UInt8] {
        var buffer = ByteBuffer()
        message.append(to: &buffer)
        return buffer.copy()
    }

    static func read(_ kind: MessageKind, _ bytes: [UInt8]) throws(ByteCursor.Malformed) -> FailureMessage {
        try withBytes(of: bytes) { payload throws(ByteCursor.Malformed) in try FailureMessage(kind, payload) }
    }

    @Test(arguments: seeds) func whatWasWrittenIsReadBack(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<200 {
            let message = Self.message(&random)
            let bytes = Self.bytes(message)
            #expect(try Self.read(message.kind, bytes) == message)
            for length in 0..<bytes.count {
                #expect(throws: ByteCursor.Malformed.self) { try Self.read(message.kind, Array(bytes[..<length])) }
            }
            #expect(throws: ByteCursor.Malformed.self) { try Self.read(message.kind, bytes + [0]) }
            #expect(throws: ByteCursor.Malformed.self) { try Self.read(.replicaRead, bytes) }
        }
    }

    @Test func mutilatedPayloadsAreRefusedOrReadInBounds() {
        var random = Seeded(2)
        var refused = 0
        for _ in 0..<20_000 {
            let message = Self.message(&random)
            var bytes = Self.bytes(message)
            for _ in 0...Int(random.next() % 3) {
                let at = Int(random.next() % UInt64(bytes.count))
                bytes[at] = [bytes[at] ^ 1 << UInt8(random.next() % 8), 0, 0x7f, 0xff][Int(random.next() % 4)]
            }
            do throws(ByteCursor.Malformed) { _ = try Self.read(message.kind, bytes) } catch { refused += 1 }
        }
        #expect(refused > 500 && refused < 19_500)
    }

    @Test func aRefutationThatNobodyCanHaveComeToIsMalformed() {
        for refutation in [LivenessClaim.greatestRefutation + 1, .max] {
            let own = FailureMessage(.probe(sequence: 1), refutation: refutation, incarnation: 1)
            #expect(throws: ByteCursor.Malformed.self) { try Self.read(.failureProbe, Self.bytes(own)) }
            let gossip = FailureMessage(
                .probe(sequence: 1), refutation: 1, incarnation: 1,
                claims: [.alive(1, refutation: refutation, incarnation: 1)])
            #expect(throws: ByteCursor.Malformed.self) { try Self.read(.failureProbe, Self.bytes(gossip)) }
        }
    }

    @Test func aDetectorTakesAnythingThatReadsAsAMessage() {
        var random = Seeded(5)
        var machine = FailureDetectorMachine(node: 2, incarnation: 7, members: Array(0..<6), seed: 1, now: 0)
        for node in [0, 1, 3, 4, 5] as [UInt32] { _ = machine.receive(.linkOpened(node, incarnation: 9), now: 1) }
        var now: UInt64 = 1
        var sent = 0
        for _ in 0..<20_000 {
            var message = Self.message(&random)
            for index in message.claims.indices { message.claims[index].node %= 8 }
            now += random.number() % 50_000_000
            let peer = UInt32(random.next() % 8)
            sent += machine.receive(.received(peer, message), now: now).count
            sent += machine.receive(.time, now: max(now, machine.wake)).count
            now = max(now, machine.wake)
        }
        #expect(sent > 1000 && machine.members.map(\.node) == [0, 1, 3, 4, 5])
        #expect(machine.refutation <= LivenessClaim.greatestRefutation)
    }
}
