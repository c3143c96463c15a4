import MartletCore
import MartletNode
import MartletRuntime
import MartletSimulator
import Testing

/// What links do beyond carrying messages: who may link, which of two links stays, what ends one.
@Suite struct LinkTests {
    /// One way in which a second node does not fit the first, and what both say of it.
    struct Misfit: Sendable, CustomStringConvertible {
        var description: String
        var change: @Sendable (inout NodeOptions) -> Void
        var id: UInt32 = 2
        var said: String
    }

    static let misfits: [Misfit] = [
        Misfit(description: "cluster", change: { $0.cluster = "other" }, said: "cluster"),
        Misfit(description: "digest", change: { $0.digest = 3 }, said: "replicas: "),
        Misfit(description: "secret", change: { $0.secret = "false" }, said: "cluster secrets"),
        Misfit(description: "no secret", change: { $0.secret = nil }, said: "cluster secret"),
        Misfit(description: "node", change: { _ in }, id: 3, said: "node 3"),
    ]

    @Test(arguments: Kind.ofLinks, misfits)
    func whoDoesNotFitIsRefused(_ kind: Kind, _ misfit: Misfit) {
        let world = kind.makeWorld()
        defer { world.end() }
        var options = NodeOptions()
        options.secret = "true"
        let a = world.makeNode(1, options)
        misfit.change(&options)
        let b = world.makeNode(misfit.id, options)
        // Only one side connects, so that who refuses and who is refused is told apart.
        world.keep(b, 1, at: a.address)
        world.keep(a, 2, at: b.address)
        #expect(world.wait { a.lines.contain(misfit.said) && b.lines.contain(misfit.said) })
        #expect(a.lines.contain("refuse") && b.lines.contain("refuse"))
        #expect(a.recorder.opened.isEmpty && b.recorder.opened.isEmpty)
        #expect(world.counters(a).opened == 0 && world.counters(a).refused > 0)
    }

    @Test(arguments: Kind.ofLinks)
    func theFirstDifferenceIsNamedOnBothSides(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        var options = NodeOptions()
        let a = world.makeNode(1, options)
        options.digest = 5
        let b = world.makeNode(2, options)
        world.keep(a, 2, at: b.address)
        #expect(
            world.wait {
                a.lines.contain("replicas: 1 here, replicas: 5 there")
                    && b.lines.contain("replicas: 5 here, replicas: 1 there")
            })
    }

    @Test func troubleIsSaidOnceAMinute() {
        let world = SimulatedWorld(seed: 3)
        defer { world.end() }
        var options = NodeOptions()
        let a = world.makeNode(1, options)
        options.cluster = "other"
        let b = world.makeNode(2, options)
        world.keep(a, 2, at: b.address)
        world.executor.run(for: .seconds(50))
        #expect(world.counters(a).refused > 5)
        #expect(a.lines.all.count { $0.contains("refuse") } == 1)
        world.executor.run(for: .seconds(100))
        #expect((2...3).contains(a.lines.all.count { $0.contains("refuse") }))
        #expect(a.lines.contain("times since last said"))
    }

    @Test(arguments: Kind.ofLinks)
    func theSecretIsProvedByBoth(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        var options = NodeOptions()
        options.secret = "a long secret"
        let (a, b) = world.makePair(options)
        world.send(a, to: 2, [[1]])
        #expect(world.wait { b.recorder.messages.count == 1 })
    }

    @Test(arguments: 1...200)
    func oneOfTwoLinksStays(_ seed: UInt64) {
        let world = SimulatedWorld(seed: seed)
        defer { world.end() }
        let (a, b) = (world.makeNode(1), world.makeNode(2))
        world.connectBoth(a, b)
        #expect(world.wait { world.isOpen(a, b) })
        world.executor.run(for: .seconds(10))
        #expect(world.isOpen(a, b))
        #expect(world.streams(a) == 1 && world.streams(b) == 1)
        #expect(a.recorder.opened.last?.session == b.recorder.opened.last?.session)
        #expect(a.recorder.opened.count == a.recorder.closed.count + 1)
        world.send(a, to: 2, [[1]])
        world.send(b, to: 1, [[2]])
        #expect(world.wait { a.recorder.messages.count == 1 && b.recorder.messages.count == 1 })
    }

    @Test func aQuietLinkStaysAndASilentPeerIsGivenUp() {
        let world = SimulatedWorld(seed: 5)
        defer { world.end() }
        var options = NodeOptions()
        options.tap = Tap()
        let a = world.makeNode(1, options)
        let b = world.makeNode(2)
        world.connectBoth(a, b)
        #expect(world.wait { world.isOpen(a, b) })
        world.executor.run(for: .seconds(60))
        #expect(a.recorder.closed.isEmpty && b.recorder.closed.isEmpty)
        options.tap?.change.withLock { $0 = { _ in [] } }
        let start = world.executor.now
        #expect(world.wait { a.recorder.closed.count == 1 })
        #expect(a.recorder.reasons[0].contains("nothing was heard"))
        #expect(world.executor.now.since(start) >= .seconds(4) && world.executor.now.since(start) < .seconds(8))
        options.tap?.change.withLock { $0 = nil }
        #expect(world.wait { world.isOpen(a, b) })
    }

    @Test(arguments: Kind.ofLinks)
    func unknownKindsOfLinksAreSkipped(_ kind: Kind) {
        let world = kind.makeWorld()
        defer { world.end() }
        let (a, b) = world.makePair()
        #expect(world.send(a, to: 2, kind: 0xFF77, [[1], [2]]) == 2)
        #expect(world.send(a, to: 2, kind: 0x7777, [[3]]) == 1)
        #expect(world.wait { b.recorder.messages.count == 1 })
        #expect(b.recorder.messages[0].payload == [3])
        #expect(b.recorder.messages[0].header.kind.rawValue == 0x7777)
        #expect(a.recorder.closed.isEmpty && b.recorder.closed.isEmpty)
    }

    /// What is done to a frame on its way, and what the receiver says.
    struct Damage: Sendable, CustomStringConvertible {
        var description: String
        var change: @Sendable ([UInt8]) -> [UInt8]
        var reason: String
    }

    static let damages: [Damage] = [
        Damage(description: "a bit", change: { $0.with($0.count - 1, $0[$0.count - 1] ^ 4) }, reason: "damaged"),
        Damage(description: "the request", change: { $0.with(17, 1) }, reason: "damaged"),
        Damage(description: "magic", change: { $0.with(12, 0) }, reason: "not a frame"),
        Damage(description: "version", change: { $0.with(14, 9) }, reason: "version 9"),
        Damage(
            description: "too long", change: { $0.with(8, 1).with(9, 0).with(10, 0).with(11, 4) },
            reason: "67108865 bytes"),
        Damage(description: "too short", change: { $0.with(8, 47).with(9, 0) }, reason: "47 bytes"),
        Damage(description: "no length", change: { $0.with(8, 0).with(9, 0) }, reason: "0 bytes"),
        Damage(
            description: "longest number", change: { $0.with(8, 255).with(9, 255).with(10, 255).with(11, 255) },
            reason: "4294967295 bytes"),
    ]

    @Test(arguments: [Kind.tcp, .inProcess], damages)
    func damageClosesTheLink(_ kind: Kind, _ damage: Damage) {
        let world = kind.makeWorld()
        defer { world.end() }
        let tap = Tap()
        var options = NodeOptions()
        options.settings.pingInterval = .seconds(1000)  // so that the piece changed is the message
        let b = world.makeNode(2, options)
        options.tap = tap
        let a = world.makeNode(1, options)
        world.connectBoth(a, b)
        #expect(world.wait { world.isOpen(a, b) })
        tap.change.withLock {
            $0 = { bytes in
                tap.change.withLock { $0 = nil }
                return damage.change(bytes)
            }
        }
        world.send(b, to: 1, [pattern(100, 1)])
        #expect(world.wait { !a.recorder.closed.isEmpty && !b.recorder.closed.isEmpty })
        #expect(a.recorder.reasons[0].contains(damage.reason))
        #expect(a.recorder.messages.isEmpty && world.counters(a).damaged == 1)
        #expect(world.wait { world.isOpen(a, b) })
    }
}

extension [UInt8] {
    func with(_ index: Int, _ value: UInt8) -> [UInt8] {
        var copy = self
        copy[index] = value
        return copy
    }
}
