import MartletClient
import Testing

private struct User: Codable, MartletValue, Equatable {
    var name: String
    var visits: Int
}

/// The example of Docs/client.md, as a user's module sees the library.
@Suite struct ExampleTests {
    @Test func theExampleOfTheManual() async throws {
        try await withNode { address in
            let client = try await MartletClient.connect(to: [address])

            try await client.put("greeting", "hello")
            try await client.put("user:ada", User(name: "Ada", visits: 1), durability: WriteDurability.none)
            try await client.put("session:9", "token", expires: .after(.seconds(60)))

            let greeting = try await client.value("greeting", as: String.self)
            #expect(greeting == "hello")

            if var entry = try await client.get("user:ada", as: User.self) {
                entry.value.visits += 1
                try await client.put("user:ada", entry.value, context: entry.context)
            }
            #expect(try await client.value("user:ada") == User(name: "Ada", visits: 2))

            var keys: [String] = []
            for try await key in client.scan(match: "user:*") { keys.append(key.description) }
            #expect(keys == ["user:ada"])

            do {
                try await client.put("order:7", 1)
            } catch let error as MartletError where error.outcome == .unknown {
                try await client.put("order:7", 1, token: error.retryToken)
            }

            try await client.delete("greeting")
            #expect(try await client.value("greeting", as: String.self) == nil)
            await client.close()
        }
    }
}
