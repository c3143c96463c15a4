import MartletClient
import MartletCore
import MartletNode
import MartletRuntime
import Testing

@testable import MartletSimulator

/// Writes that are sent again through another node after the one that coordinated them died: they are done once.
@Suite struct RetrySimulationTests {
    /// What became of the first try, over all seeds.
    private struct Seen: Sendable {
        var applied = 0
        var lost = 0
    }

    private static let token = "00112233445566778899aabbccddeeff"

    @Test func aWriteSentAgainDoesNotOverwriteWhatCameBetween() {
        let seen = Lock(Seen())
        for seed in UInt64(1)...60 {
            let notes = ReplicationSimulationTests.run(seed: seed) { world, expect in
                _ = await world.put(1, "k", "before")
                async let first = world.put(0, "k", "mine", ["TOKEN", Self.token])
                await world.pause(.microseconds(Int64(seed % 30) * 1000))
                world.crash(0)
                _ = await first
                await world.pause(.seconds(1))
                let wasApplied = await world.get(1, "k").value == "mine"
                let between = await world.put(1, "k", "other")
                let again = await world.put(2, "k", "mine", ["TOKEN", Self.token])
                seen.withLock { wasApplied ? ($0.applied += 1) : ($0.lost += 1) }
                expect("\(again.failure ?? "none")", "none", "the second try")
                expect("\(again.stamp < between.stamp)", "\(wasApplied)", "the first outcome is answered")
                for node in 1...2 {
                    expect(await world.get(node, "k").value, wasApplied ? "other" : "mine", "seen at \(node)")
                }
                await world.start(0)
                await world.pause(.seconds(30))
                let third = await world.put(0, "k", "mine", ["TOKEN", Self.token])
                expect("\(third.stamp)", "\(again.stamp)", "the third try, at the node that came back")
                expect(await world.get(0, "k").value, wasApplied ? "other" : "mine", "at the end")
            }
            #expect(notes.faults.isEmpty && notes.done, "seed \(seed): \(notes.faults)")
        }
        seen.withLock { #expect($0.applied > 5 && $0.lost > 5, "both happen: \($0)") }
    }

    @Test func twoTriesAreNeverTwoSiblings() {
        for seed in UInt64(1)...40 {
            let notes = ReplicationSimulationTests.run(seed: seed, policy: .siblings) { world, expect in
                _ = await world.put(1, "k", "a")
                async let first = world.put(0, "k", "mine", ["TOKEN", Self.token])
                await world.pause(.microseconds(Int64(seed % 20) * 1000))
                world.crash(0)
                _ = await first
                await world.pause(.seconds(1))
                _ = await world.put(2, "k", "mine", ["TOKEN", Self.token])
                expect("\(await world.get(1, "k").siblings.sorted())", "[\"a\", \"mine\"]", "after the second try")
                let seen = await world.get(2, "k")
                _ = await world.put(1, "k", "both", ["CONTEXT"], seen.context)
                await world.start(0)
                await world.pause(.seconds(30))
                for node in 0..<3 {
                    let siblings = await world.get(node, "k", ["LEVEL", "one"]).siblings
                    expect("\(siblings)", "[\"both\"]", "the first try does not come back, at \(node)")
                }
            }
            #expect(notes.faults.isEmpty && notes.done, "seed \(seed): \(notes.faults)")
        }
    }

    /// Its client gave up and asked another node, and so many others wrote since that the token is forgotten.
    @Test(arguments: [true, false]) func aNodeThatStoodStillDoesNotDoWhatWasSentMeanwhile(isVolatile: Bool) {
        for seed in UInt64(1)...6 {
            let storages: [ThreeNodes.Storage] = Array(repeating: isVolatile ? .memory : .disk(.always), count: 3)
            let notes = ReplicationSimulationTests.run(seed: seed, storages) { world, expect in
                _ = await world.put(0, "k", "before")
                world.freeze(2)
                async let late = world.put(2, "k", "mine", ["TOKEN", Self.token])
                async let flush = world.call(2, ["FLUSHALL"])
                await world.pause(.seconds(1))
                _ = await world.put(0, "k", "mine", ["TOKEN", Self.token])
                for other in 0..<20 {
                    _ = await world.put(1, "k", "\(other)", ["TOKEN", String(repeating: "\(10 + other)", count: 16)])
                }
                await world.pause(.seconds(12))
                world.thaw(2)
                let failure = await late.failure ?? "none"
                expect("\(failure.hasPrefix("-BUSY this node stood still"))", "true", failure)
                expect(await flush, "-BUSY this node stood still", "what would empty it all")
                await world.pause(.seconds(1))
                for node in 0..<3 { expect(await world.get(node, "k").value, "19", "seen at \(node)") }
                expect("\(await world.put(2, "k", "new").failure ?? "none")", "none", "it takes writes again")
            }
            #expect(notes.faults.isEmpty && notes.done, "seed \(seed): \(notes.faults)")
        }
    }

    @Test func aShortStandstillRefusesNothing() {
        let notes = ReplicationSimulationTests.run(seed: 1) { world, expect in
            await world.pause(.seconds(3))
            world.freeze(2)
            async let late = world.put(2, "k", "mine")
            await world.pause(.milliseconds(900))
            world.thaw(2)
            expect("\(await late.failure ?? "none")", "none", "the write")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test func aDeleteSentAgainDoesNotDeleteWhatCameBetween() {
        for seed in UInt64(1)...6 {
            let notes = ReplicationSimulationTests.run(seed: seed) { world, expect in
                for key in ["there", "absent"] {
                    if key == "there" { _ = await world.put(0, key, "v") }
                    let first = ValueReply(await world.ask(0, ["MARTLET.DEL", key, "TOKEN", Self.token].bytes))
                    _ = await world.put(1, key, "new")
                    let again = ValueReply(await world.ask(2, ["MARTLET.DEL", key, "TOKEN", Self.token].bytes))
                    expect(
                        "\(again.stamp) \(first.fields["existed"] == again.fields["existed"])", "\(first.stamp) true",
                        key)
                    expect(await world.call(1, ["GET", key]), "$new", "what came between")
                }
                expect(await world.call(1, ["MARTLET.PUT", "k", "v", "TOKEN", "12"]), "-ERR TOKEN must be", "a token")
            }
            #expect(notes.faults.isEmpty && notes.done)
        }
    }
}
