import MartletRuntime
import Testing

@testable import MartletClient

/// The client against a server that others wrote.
@Suite(.enabled(if: RedisServer.isInstalled)) struct RedisTests {
    private struct User: Codable, MartletValue, Equatable {
        var name: String
        var age: Int
    }

    @Test func putGetDelete() async throws {
        let redis = try await RedisServer()
        let client = try await plainClient(of: redis.address)
        #expect(try await client.value("k", as: String.self) == nil)
        try await client.put("k", "v\r\n\0é")
        #expect(try await client.value("k") == "v\r\n\0é")
        try await client.put("n", 42)
        #expect(try await client.value("n") == 42)
        let user = User(name: "Ada", age: 36)
        try await client.put("user:\(user.age)", user)
        #expect(try await client.get("user:36", as: User.self)?.value == user)
        try await client.delete("k")
        #expect(try await client.value("k", as: [UInt8].self) == nil)
        try await client.put("brief", "v", expires: .after(.milliseconds(1)))
        try await client.ping()
        await client.close()
    }

    @Test func bytesThatAreNoSuchValueAreATypedError() async throws {
        let redis = try await RedisServer()
        let client = try await plainClient(of: redis.address)
        try await client.put("k", [UInt8](0..<255))
        await #expect { try await client.value("k", as: Int.self) } throws: { ($0 as? MartletError)?.code == .badValue }
        await #expect { try await client.value("k", as: String.self) } throws: {
            ($0 as? MartletError)?.code == .badValue
        }
        await #expect { try await client.value("k", as: User.self) } throws: {
            ($0 as? MartletError)?.code == .badValue
        }
        #expect(try await client.value("k") == [UInt8](0..<255))
    }

    @Test func manyTasksShareOneConnection() async throws {
        let redis = try await RedisServer()
        let client = try await plainClient(of: redis.address)
        let sums = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<100 {
                group.addTask {
                    var sum = 0
                    for step in 0..<50 {
                        try await client.put("key:\(task):\(step)", task * 1000 + step)
                        sum += try await client.value("key:\(task):\(step)", as: Int.self) == task * 1000 + step ? 1 : 0
                    }
                    return sum
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sums == 5000)
        #expect(await client.pool.calls.isEmpty)
        #expect(await client.pool.connectionsMade == 1)
    }

    @Test func scanReturnsEveryKeyThatMatches() async throws {
        let redis = try await RedisServer()
        let client = try await plainClient(of: redis.address)
        for index in 0..<500 { try await client.put("a:\(index)", index) }
        for index in 0..<50 { try await client.put("b:\(index)", index) }
        var keys: Set<MartletKey> = []
        for try await key in client.scan(match: "b:*", pageSize: 20) { keys.insert(key) }
        #expect(keys == Set((0..<50).map { "b:\($0)" }))
        var count = 0
        for try await _ in client.scan() { count += 1 }
        #expect(count >= 550)
    }

    @Test func valuesOfMegabytesPass() async throws {
        let redis = try await RedisServer()
        let client = try await plainClient(of: redis.address)
        let value = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await client.put("large", value)
        #expect(try await client.value("large") == value)
    }

    @Test func aServerThatComesBackIsFoundAgain() async throws {
        let first = try await RedisServer()
        let client = try await plainClient(of: first.address)
        try await client.put("k", "v")
        first.kill()
        let second = try await RedisServer(port: first.address.port)
        #expect(try await client.value("k", as: String.self) == nil)
        try await client.put("k", "v")
        #expect(try await client.value("k") == "v")
        _ = second
    }

    @Test func aKilledServerIsLeftForAnother() async throws {
        let first = try await RedisServer()
        let second = try await RedisServer()
        let client = try await plainClient(of: first.address, second.address)
        try await client.put("k", "first")
        first.kill()
        #expect(try await client.value("k", as: String.self) == nil)
        try await client.put("k", "second")
        #expect(try await client.value("k") == "second")
    }
}
