import MartletCore
import MartletNode
import MartletRuntime
import Testing

@testable import MartletSimulator

/// Siblings, contexts, levels, receipts and retry tokens over three nodes, in virtual time.
@Suite struct ValueSimulationTests {
    @Test(arguments: UInt64(1)...8)
    func siblingsStayUntilAClientThatSawThemWrites(seed: UInt64) {
        let notes = ReplicationSimulationTests.run(seed: seed, policy: .siblings) { world, expect in
            _ = await world.put(0, "k", "a")
            _ = await world.put(1, "k", "b")
            _ = await world.put(2, "k", "c")
            for node in 0..<3 {
                let answer = await world.get(node, "k")
                expect("\(answer.siblings.sorted())", "[\"a\", \"b\", \"c\"]", "siblings at \(node)")
                expect("\(answer.answered.count)", "2", "who answered")
            }
            expect(await world.call(0, ["GET", "k"]), "$c", "the latest sibling")
            let seen = await world.get(1, "k")
            _ = await world.put(0, "k", "d")
            let receipt = await world.put(2, "k", "abc", ["CONTEXT"], seen.context)
            expect("\(receipt.acknowledged.count >= 2)", "true", "who acknowledged: \(receipt)")
            for node in 0..<3 {
                let now = await world.get(node, "k")
                expect("\(now.siblings)", "[\"abc\", \"d\"]", "what was not seen stays, at \(node)")
            }
            _ = await world.put(1, "k", "abc2", ["CONTEXT"], receipt.context)
            expect("\(await world.get(0, "k").siblings)", "[\"abc2\", \"d\"]", "one's own write is superseded")
            expect(await world.call(0, ["SET", "k", "plain"]), "+OK", "SET")
            expect("\(await world.get(2, "k").siblings)", "[\"plain\"]", "a plain SET supersedes what owners hold")
            let last = await world.get(2, "k")
            let gone = await world.ask(1, ["MARTLET.DEL", "k", "CONTEXT"].bytes + [last.context])
            expect(OneCall.short(gone), "*$stamp", "DEL")
            let after = await world.get(0, "k")
            expect("\(after.siblings)", "[]", "deleted")
            expect(await world.call(0, ["EXISTS", "k"]), ":0", "EXISTS")
            _ = await world.put(0, "k", "anew", ["CONTEXT"], after.context)
            expect("\(await world.get(1, "k").siblings)", "[\"anew\"]", "written anew")
        }
        #expect(notes.faults.isEmpty && notes.done)
    }

    @Test func contextsOfOtherKeysAndGarbageAreRefused() {
        for policy in ConflictPolicy.allCases {
            let notes = ReplicationSimulationTests.run(seed: 5, policy: policy) { world, expect in
                _ = await world.put(0, "k", "a")
                let context = await world.get(0, "k").context
                let foreign = await world.ask(0, ["MARTLET.PUT", "other", "v", "CONTEXT"].bytes + [context])
                expect(OneCall.short(foreign), "-ERR the context is not of this key", "foreign")
                let garbage = await world.ask(1, ["MARTLET.PUT", "k", "v", "CONTEXT", "garbage"].bytes)
                expect(OneCall.short(garbage), "-ERR the context is malformed", "garbage")
                expect(await world.call(2, ["GET", "k"]), "$a", "nothing was written")
                expect(await world.call(2, ["EXISTS", "other"]), ":0", "nothing was written")
            }
            #expect(notes.faults.isEmpty && notes.done)
        }
    }

    @Test func aHundredSiblingsAreEnough() {
        let notes = ReplicationSimulationTests.run(seed: 6, policy: .siblings) { world, expect in
            for index in 0..<100 { _ = await world.put(index % 3, "k", "\(index)") }
            expect(await world.call(0, ["MARTLET.PUT", "k", "more"]), "-ERR the key has too many siblings", "more")
            let seen = await world.get(1, "k")
            expect("\(seen.siblings.count)", "100", "siblings")
            _ = await world.put(2, "k", "one", ["CONTEXT"], seen.context)
            expect("\(await world.get(1, "k").siblings)", "[\"one\"]", "resolved")
        }
        #expect(notes.faults.isEmpty && notes.done)
    }

    @Test(arguments: UInt64(1)...6)
    func levelsPerCall(seed: UInt64) {
        let notes = ReplicationSimulationTests.run(seed: seed) { world, expect in
            let all = await world.put(0, "k", "v", ["LEVEL", "all"])
            expect("\(all.acknowledged.sorted())", "[\"n1\", \"n2\", \"n3\"]", "all")
            expect("\(all.hints) \(all.epoch)", "0 1", "hints and epoch")
            expect(await world.call(1, ["MARTLET.PUT", "k", "v", "LEVEL", "4"]), "-ERR the consistency level", "4")
            expect(await world.call(1, ["MARTLET.GET", "k", "LEVEL", "most"]), "-ERR unknown consistency", "most")
            expect(await world.call(1, ["MARTLET.GET", "k", "LEVEL"]), "-ERR syntax", "no level")
            expect(await world.call(1, ["MARTLET.GET", "k", "TOKEN", "x"]), "-ERR syntax", "no option of a read")
            world.crash(2)
            await world.pause(.seconds(1))
            expect(await world.call(0, ["MARTLET.PUT", "k", "w", "LEVEL", "all"]), "-NOQUORUM 2 of 3", "all of two")
            expect(await world.call(0, ["MARTLET.GET", "k", "LEVEL", "all"]), "-NOQUORUM", "read all of two")
            expect("\(await world.put(0, "k", "x").acknowledged.sorted())", "[\"n1\", \"n2\"]", "quorum")
            expect("\(await world.put(1, "k", "y", ["LEVEL", "local_quorum"]).acknowledged.count)", "2", "local")
            world.crash(1)
            await world.pause(.seconds(1))
            expect(await world.call(0, ["MARTLET.PUT", "k", "z"]), "-NOQUORUM", "quorum of one")
            expect("\(await world.put(0, "k", "z", ["LEVEL", "one"]).acknowledged)", "[\"n1\"]", "one")
            let one = await world.get(0, "k", ["LEVEL", "1"])
            expect("\(one.value) \(one.answered)", "z [\"n1\"]", "read one")
        }
        #expect(notes.faults.isEmpty && notes.done)
    }

    @Test(arguments: UInt64(1)...6)
    func durabilityPerCall(seed: UInt64) {
        let mixed: [ThreeNodes.Storage] = [.memory, .disk(.none), .disk(.always)]
        let notes = ReplicationSimulationTests.run(seed: seed, mixed) { world, expect in
            let usual = await world.put(0, "k", "v", ["LEVEL", "all"])
            expect(usual.durability, "none", "the weakest of all")
            let kept = await world.put(0, "k", "w", ["DURABILITY", "always"])
            expect("\(kept.durability) \(kept.acknowledged.sorted())", "always [\"n2\", \"n3\"]", "on disk")
            let refused = await world.call(1, ["MARTLET.PUT", "k", "x", "DURABILITY", "always", "LEVEL", "all"])
            expect(refused, "-NOQUORUM too few owners can meet the durability", "a memory node is one of all")
            for node in 0..<3 { expect(await world.get(node, "k", ["LEVEL", "one"]).value, "w", "all hold it") }
        }
        #expect(notes.faults.isEmpty && notes.done)
    }
}

/// What MARTLET.GET and receipts say.
struct ValueReply: Sendable {
    var fields: [String: ReplyReader.Reply] = [:]
    var failure: String?

    init(_ reply: ReplyReader.Reply) {
        guard case .array(let items) = reply, items.count % 2 == 0 else {
            failure = OneCall.short(reply)
            return
        }
        for index in stride(from: 0, to: items.count, by: 2) { fields[Self.text(items[index])] = items[index + 1] }
    }

    static func text(_ reply: ReplyReader.Reply?) -> String {
        if case .bulk(let bytes?) = reply { String(decoding: bytes, as: UTF8.self) } else { "-" }
    }

    var value: String { failure ?? Self.text(fields["value"]) }
    var durability: String { failure ?? Self.text(fields["durability"]) }
    var hints: Int64 { if case .integer(let hints) = fields["hints"] { hints } else { -1 } }
    var epoch: Int64 { if case .integer(let epoch) = fields["epoch"] { epoch } else { -1 } }
    var stamp: Int64 { if case .integer(let stamp) = fields["stamp"] { stamp } else { -1 } }
    var answered: [String] { names("answered") }
    var acknowledged: [String] { names("acknowledged") }
    /// The latest first.
    var siblings: [String] {
        guard case .array(let items) = fields["siblings"] else { return failure.map { [$0] } ?? [] }
        return items.map { ValueReply($0).value }
    }
    var context: [UInt8] { if case .bulk(let bytes?) = fields["context"] { bytes } else { [] } }

    private func names(_ field: String) -> [String] {
        guard case .array(let items) = fields[field] else { return failure.map { [$0] } ?? [] }
        return items.map(Self.text)
    }
}

extension [String] {
    var bytes: [[UInt8]] { map { Array<UInt8>($0.utf8) } }
}

extension ThreeNodes {
    func get(_ node: Int, _ key: String, _ options: [String] = []) async -> ValueReply {
        ValueReply(await ask(node, (["MARTLET.GET", key] + options).bytes))
    }

    func put(
        _ node: Int, _ key: String, _ value: String, _ options: [String] = [], _ last: [UInt8]? = nil
    ) async -> ValueReply {
        ValueReply(
            await ask(node, (["MARTLET.PUT", key, value] + options).bytes + (last.map { [$0] } ?? [])))
    }
}
