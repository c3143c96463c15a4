import MartletCore
import MartletLauncher
import MartletNode
import MartletRuntime
import MartletServer
import MemoryBackend
import Testing

@testable import MartletClient

/// Runs `body` with the address of a node of this process that runs for as long.
func withNode(siblings name: String? = nil, _ body: (_ address: String) async throws -> Void) async throws {
    var settings = NodeSettings(cluster: "test", name: "n1", durability: .none)
    if let name {
        settings.keyspaces.append(KeyspaceSettings(id: 1, name: name))
        settings.keyspaces[1].conflicts = .siblings
    }
    settings.workers = 2
    let door = Server.Settings(address: SocketAddress(host: "127.0.0.1", port: 0))
    let node = try await RunningNode.start(settings, NodeOpening(kind: .memory, path: ""), door, log: .silent)
    let result = await Result { try await body("\(node.server.address)") }
    try await node.stop()
    try result.get()
}

/// The client against a node of this process, over its front door.
@Suite struct NodeTests {
    private func withClient(_ body: (MartletClient) async throws -> Void) async throws {
        try await withNode { address in
            let client = try await MartletClient.connect(to: [address])
            try await body(client)
            await client.close()
        }
    }

    @Test func putGetDelete() async throws {
        try await withClient { client in
            #expect(try await client.get("k", as: String.self) == nil)
            try await client.put("k", "v")
            let entry = try #require(try await client.get("k", as: String.self))
            #expect(entry.value == "v")
            #expect(entry.stamp > 0)
            #expect(entry.context?.bytes.isEmpty == false)
            #expect(entry.expires == nil)
            let receipt = try await client.delete("k", context: entry.context)
            #expect(receipt.existed == true)
            #expect(receipt.stamp >= entry.stamp)
            #expect(receipt.acknowledgedBy == ["n1"])
            #expect(try await client.delete("k").existed == false)
            #expect(try await client.value("k", as: String.self) == nil)
        }
    }

    @Test func optionsReachTheServer() async throws {
        try await withClient { client in
            try await client.put("k", "v", expires: .after(.seconds(60)), durability: WriteDurability.none)
            let entry = try #require(try await client.get("k", as: String.self))
            #expect(entry.expires != nil)
            try await client.put("k", "w", context: entry.context)
            #expect(try await client.get("k", as: String.self)?.expires == nil)
            await #expect {
                try await client.put("large", [UInt8](repeating: 0, count: 20_000))
            } throws: { error in
                (error as? MartletError)?.code == .tooLarge && (error as? MartletError)?.outcome == .notApplied
            }
        }
    }

    @Test func aWriteSentAgainWithItsTokenIsAppliedOnce() async throws {
        try await withClient { client in
            let token = RetryToken(from: SeededRandom(seed: 9))
            let first = try await client.put("k", "first", token: token)
            let second = try await client.put("k", "first", token: token)
            #expect(second.stamp == first.stamp)
            #expect(try await client.get("k", as: String.self)?.stamp == first.stamp)
        }
    }

    @Test func aDurabilityThatCannotBeMetIsRefused() async throws {
        try await withClient { client in
            await #expect { try await client.put("k", "v", durability: .always) } throws: { error in
                (error as? MartletError)?.code == .quorumNotMet && (error as? MartletError)?.outcome == .notApplied
            }
        }
    }

    @Test func levelsAndReceiptsOfANodeAlone() async throws {
        try await withClient { client in
            let receipt = try await client.put("k", "v", level: .quorum)
            #expect(receipt.acknowledgedBy == ["n1"] && receipt.epoch == 1 && receipt.hints == 0)
            #expect(receipt.durability == WriteDurability.none && receipt.siblingsLeft == 0)
            let entry = try #require(try await client.get("k", as: String.self, level: .all))
            #expect(entry.siblings.map(\.value) == ["v"] && entry.answeredBy == ["n1"] && entry.epoch == 1)
            await #expect { try await client.put("k", "w", level: .replicas(2)) } throws: { error in
                (error as? MartletError)?.code == .refused && (error as? MartletError)?.outcome == .notApplied
            }
            #expect(try await client.value("k") == "v")
        }
    }

    @Test func aRepeatedWriteAfterADeleteIsNotDoneAgain() async throws {
        try await withClient { client in
            let token = RetryToken(from: SeededRandom(seed: 3))
            try await client.put("k", "first", token: token)
            try await client.delete("k")
            try await client.put("k", "first", token: token)
            #expect(try await client.value("k", as: String.self) == nil)
            let other = RetryToken(from: SeededRandom(seed: 4))
            try await client.delete("k", token: other)
            try await client.put("k", "second")
            try await client.delete("k", token: other)
            #expect(try await client.value("k") == "second")
        }
    }

    @Test func aKeyspaceOfSiblingsByItsName() async throws {
        try await withNode(siblings: "carts") { address in
            var settings = ClientSettings()
            settings.keyspaceName = "carts"
            let client = try await MartletClient.connect(to: [address], settings: settings)
            try await client.put("cart", "a")
            try await client.put("cart", "b")
            let entry = try #require(try await client.get("cart", as: String.self))
            #expect(entry.siblings.map(\.value) == ["b", "a"])
            let receipt = try await client.put("cart", "c", context: entry.context)
            #expect(receipt.siblingsLeft == 0)
            #expect(try await client.get("cart", as: String.self)?.siblings.map(\.value) == ["c"])
            try await client.delete("cart", context: receipt.context)
            #expect(try await client.get("cart", as: String.self) == nil)
            settings.keyspaceName = "no such"
            await #expect(throws: MartletError.self) {
                try await MartletClient.connect(to: [address], settings: settings)
            }
            await client.close()
        }
    }

    @Test func scanReturnsEveryKey() async throws {
        try await withClient { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<2_000 { group.addTask { try await client.put("key:\(index)", index) } }
                try await group.waitForAll()
            }
            var keys: Set<MartletKey> = []
            for try await key in client.scan(match: "key:*", pageSize: 100) {
                #expect(keys.insert(key).inserted)
            }
            #expect(keys.count == 2_000)
        }
    }

    @Test func aHundredTasksOfAHundredCalls() async throws {
        try await withClient { client in
            let correct = try await withThrowingTaskGroup(of: Int.self) { group in
                for task in 0..<100 {
                    group.addTask {
                        var correct = 0
                        for step in 0..<50 {
                            try await client.put("\(task):\(step)", task * 1000 + step)
                            correct +=
                                try await client.value("\(task):\(step)", as: Int.self) == task * 1000 + step ? 1 : 0
                        }
                        return correct
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(correct == 5_000)
            #expect(await client.pool.calls.isEmpty)
        }
    }
}

extension Result where Success == Void, Failure == any Error {
    fileprivate init(_ body: () async throws -> Void) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
