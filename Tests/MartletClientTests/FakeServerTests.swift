import Foundation
import MartletIO
import MartletRuntime
import Testing

@testable import MartletClient

/// A client of these servers that speaks plain Redis.
func plainClient(
    of addresses: SocketAddress..., settings: ClientSettings = ClientSettings()
) async throws -> MartletClient {
    let loop = UVEventLoop.start(name: "client")
    return try await MartletClient(
        addresses: addresses, settings: settings, loop: loop, random: SeededRandom(seed: 1), dialect: RedisDialect(),
        stopLoop: { loop.stop() })
}

private func openDescriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
}

/// What a call failed with.
private func failure(_ body: () async throws(MartletError) -> Void) async -> MartletError? {
    do throws(MartletError) {
        try await body()
        return nil
    } catch {
        return error
    }
}

extension MartletClient {
    /// Calls that the pool still knows.
    fileprivate var callsHeld: Int { get async { await pool.calls.count + pool.waitingCount + pool.ended.count } }
}

@Suite struct FakeServerTests {
    @Test(arguments: [
        ("-NOQUORUM 1 of 2", MartletError.Code.quorumNotMet, MartletError.Outcome.notApplied),
        ("-BUSY too many requests", .busy, .notApplied), ("-OOM no memory", .outOfMemory, .notApplied),
        ("-TOOLARGE 11 KiB", .tooLarge, .notApplied), ("-UNKNOWN 1 of 2", .outcomeUnknown, .unknown),
        ("-ERR syntax error", .refused, .notApplied), ("-STRANGE thing", .refused, .unknown),
    ])
    func errorRepliesTellTheOutcome(reply: String, code: MartletError.Code, outcome: MartletError.Outcome) async throws
    {
        let server = try await ScriptedServer.start { _ in .reply(reply + "\r\n") }
        let client = try await plainClient(of: server.address)
        let error = await failure { () async throws(MartletError) in try await client.put("k", "v") }
        #expect(error?.code == code)
        #expect(error?.outcome == outcome)
        #expect(error?.message == String(reply.dropFirst()))
        #expect(error?.retryToken != nil)
        let readError = await failure { () async throws(MartletError) in
            _ = try await client.value("k", as: String.self)
        }
        #expect(readError?.outcome == .notApplied)
        #expect(server.connections == 1)
    }

    @Test func aServerThatClosesMidReply() async throws {
        let server = try await ScriptedServer.start { _ in .last("$5\r\nhel") }
        let client = try await plainClient(of: server.address)
        let error = await failure { () async throws(MartletError) in try await client.put("k", "v") }
        #expect(error?.code == .connectionLost)
        #expect(error?.outcome == .unknown)
        let readError = await failure { () async throws(MartletError) in
            _ = try await client.value("k", as: String.self)
        }
        #expect(readError?.code == .connectionLost)
        #expect(server.commands.map { $0[0] } == ["SET", "GET", "GET", "GET"])  // reads are tried again, writes are not
        #expect(await client.callsHeld == 0)
    }

    @Test(arguments: [":1\r\n", "$1073741824\r\n", "hello\r\n", "*2\r\n", "%0\r\n"])
    func aReplyThatCannotBe(reply: String) async throws {
        var settings = ClientSettings()
        settings.deadline = .milliseconds(300)
        let server = try await ScriptedServer.start { $0[0] == "GET" ? .reply(reply) : .reply("+OK\r\n") }
        let client = try await plainClient(of: server.address, settings: settings)
        let error = await failure { () async throws(MartletError) in _ = try await client.value("k", as: String.self) }
        #expect([.protocolViolation, .connectionLost, .deadlineExceeded].contains(error?.code))
        try await client.put("k", "v")  // on another connection
        #expect(server.connections >= 2)
        #expect(await client.callsHeld == 0)
    }

    @Test func aServerThatNeverAnswers() async throws {
        var settings = ClientSettings()
        settings.deadline = .milliseconds(100)
        let server = try await ScriptedServer.start { _ in .silence }
        let client = try await plainClient(of: server.address, settings: settings)
        let error = await failure { () async throws(MartletError) in try await client.put("k", "v") }
        #expect(error?.code == .deadlineExceeded)
        #expect(error?.outcome == .unknown)
        #expect(await client.callsHeld == 0)
    }

    @Test func aServerThatRefusesTheGreeting() async throws {
        let server = try await ScriptedServer.start(greeting: "-NOAUTH Authentication required.\r\n") { _ in .silence }
        let error = await failure { () async throws(MartletError) in
            do { _ = try await plainClient(of: server.address) } catch let error as MartletError { throw error } catch {
            }
        }
        #expect(error?.code == .cannotConnect)
        #expect(error?.message.contains("NOAUTH") == true)
    }

    @Test func cancellingAThousandCallsLeaksNothing() async throws {
        let server = try await ScriptedServer.start { $0[1] == "late" ? .reply("+OK\r\n") : .silence }
        var settings = ClientSettings()
        settings.callsPerConnection = 600  // so that some are sent and some wait
        let client = try await plainClient(of: server.address, settings: settings)
        let tasks = (0..<1000).map { index in
            Task { await failure { () async throws(MartletError) in try await client.put("key\(index)", index) } }
        }
        await server.received(600)
        for task in tasks { task.cancel() }
        var outcomes: [MartletError.Outcome: Int] = [:]
        for task in tasks {
            let error = await task.value
            #expect(error?.code == .cancelled)
            if let error { outcomes[error.outcome, default: 0] += 1 }
        }
        #expect(outcomes == [.unknown: 600, .notApplied: 400])
        #expect(await client.callsHeld == 0)
    }

    @Test func cancelledCallsDoNotPileUpWhileNobodyAnswers() async throws {
        let server = try await ScriptedServer.start { _ in .silence }
        var settings = ClientSettings()
        settings.callsPerConnection = 1
        settings.deadline = .seconds(600)  // the first call is to be cancelled, however slow the machine is
        let client = try await plainClient(of: server.address, settings: settings)
        let first = Task { await failure { () async throws(MartletError) in try await client.ping() } }
        await server.received(1)
        for _ in 0..<1000 {
            let task = Task { await failure { () async throws(MartletError) in try await client.ping() } }
            task.cancel()
            #expect(await task.value?.outcome == .notApplied)
        }
        #expect(await client.pool.waiting.count < 200)
        first.cancel()
        #expect(await first.value?.code == .cancelled)
        #expect(await client.callsHeld == 0)
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        let server = try await ScriptedServer.start { _ in .reply("+OK\r\n") }
        let client = try await plainClient(of: server.address)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await failure { () async throws(MartletError) in try await client.put("k", "v") }
        }
        let error = await task.value
        #expect(error?.code == .cancelled)
        #expect(error?.outcome == .notApplied)
        #expect(server.commands.isEmpty)
    }

    @Test func theReplyToACancelledCallIsDropped() async throws {
        let server = try await ScriptedServer.start { command in
            // The first reply is held back until the second command, so that both come together.
            switch command[1] {
            case "first": .silence
            default: .reply("$5\r\nfirst\r\n$6\r\nsecond\r\n")
            }
        }
        let client = try await plainClient(of: server.address)
        let first = Task {
            await failure { () async throws(MartletError) in _ = try await client.value("first", as: String.self) }
        }
        await server.received(1)
        first.cancel()
        #expect(await first.value?.code == .cancelled)
        #expect(try await client.value("second") == "second")
        #expect(server.connections == 1)
    }

    @Test func anotherAddressTakesOver() async throws {
        let gone = try await ScriptedServer.start { _ in .last("") }
        let standby = try await ScriptedServer.start { _ in .reply("$2\r\nok\r\n") }
        let client = try await plainClient(of: gone.address, standby.address)
        #expect(try await client.value("k") == "ok")
        #expect(gone.connections == 1)
        #expect(standby.connections == 1)
    }

    @Test func aWriteThatWasNotSentWaitsForAnotherConnection() async throws {
        let gone = try await ScriptedServer.start { _ in .last("") }
        let standby = try await ScriptedServer.start { _ in .reply("+OK\r\n") }
        var settings = ClientSettings()
        settings.callsPerConnection = 1
        let client = try await plainClient(of: gone.address, standby.address, settings: settings)
        let outcomes = await withTaskGroup(of: MartletError?.self) { group in
            for index in 0..<50 {
                group.addTask {
                    await failure { () async throws(MartletError) in try await client.put("\(index)", index) }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let failures = outcomes.compactMap { $0 }
        #expect(failures.map(\.code) == [.connectionLost])  // the one that was sent
        #expect(failures.map(\.outcome) == [.unknown])
        #expect(standby.commands.count == 49)
    }

    @Test func lostConnectionsLeaveNoDescriptor() async throws {
        let server = try await ScriptedServer.start { _ in .last("$5\r\nhel") }
        var settings = ClientSettings()
        settings.reconnectDelay = .milliseconds(1)
        settings.maximumReconnectDelay = .milliseconds(1)
        let client = try await plainClient(of: server.address, settings: settings)
        for _ in 0..<10 { _ = await failure { () async throws(MartletError) in try await client.put("k", "v") } }
        let before = try openDescriptors()
        for _ in 0..<300 { _ = await failure { () async throws(MartletError) in try await client.put("k", "v") } }
        #expect(server.connections > 300)
        #expect(try openDescriptors() < before + 100)  // other tests open some meanwhile
        #expect(await client.callsHeld == 0)
    }

    @Test func anUnreachableAddressIsPassedOver() async throws {
        let server = try await ScriptedServer.start { _ in .reply("$2\r\nok\r\n") }
        let client = try await plainClient(of: SocketAddress(host: "127.0.0.1", port: 1), server.address)
        #expect(try await client.value("k") == "ok")
    }

    @Test func noReachableAddressIsAnError() async throws {
        let error = await failure { () async throws(MartletError) in
            _ = try await MartletClient.connect(to: ["127.0.0.1:1", "[::1]:1"])
        }
        #expect(error?.code == .cannotConnect)
        #expect(error?.outcome == .notApplied)
    }

    @Test func anAddressThatIsNoneIsAnError() async throws {
        for addresses in [[], ["localhost"], ["127.0.0.1:99999"]] {
            let error = await failure { () async throws(MartletError) in
                _ = try await MartletClient.connect(to: addresses)
            }
            #expect(error?.code == .badArgument)
        }
    }

    @Test func closingWaitsForCallsUnderWay() async throws {
        let server = try await ScriptedServer.start { command in
            command[1] == "slow" ? .silence : .reply("$4\r\nslow\r\n$4\r\nfast\r\n")
        }
        let client = try await plainClient(of: server.address)
        async let slow = client.value("slow", as: String.self)
        await server.received(1)
        async let fast = client.value("fast", as: String.self)
        await server.received(2)
        await client.close()
        #expect(try await slow == "slow")
        #expect(try await fast == "fast")
        let error = await failure { () async throws(MartletError) in try await client.ping() }
        #expect(error?.code == .closed)
    }

    @Test func callsSpreadOverTheConnections() async throws {
        let server = try await ScriptedServer.start { _ in .silence }
        var settings = ClientSettings()
        settings.connections = 3
        settings.callsPerConnection = 1
        let client = try await plainClient(of: server.address, settings: settings)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask { _ = await failure { () async throws(MartletError) in try await client.ping() } }
            }
            await server.received(3)
            group.cancelAll()
        }
        #expect(server.connections == 3)
    }

    @Test func aServerThatDoesNotGreetIsGivenUp() async throws {
        let server = try await ScriptedServer.start(greeting: "") { _ in .silence }
        var settings = ClientSettings()
        settings.connectTimeout = .milliseconds(50)
        let shortly = settings
        let error = await failure { () async throws(MartletError) in
            do { _ = try await plainClient(of: server.address, settings: shortly) } catch let error as MartletError {
                throw error
            } catch {}
        }
        #expect(error?.code == .cannotConnect)
        #expect(error?.message.contains("no answer within") == true)
    }

    @Test func tooManyWaitingCallsAreRefused() async throws {
        let server = try await ScriptedServer.start { _ in .silence }
        var settings = ClientSettings()
        settings.callsPerConnection = 1
        settings.waitingCalls = 10
        let client = try await plainClient(of: server.address, settings: settings)
        let results = await withTaskGroup(of: MartletError.Code?.self) { group in
            for _ in 0..<20 {
                group.addTask { await failure { () async throws(MartletError) in try await client.ping() }?.code }
            }
            var busy = 0
            while busy < 9, let code = await group.next() {
                busy += code == .busy ? 1 : 0
            }
            group.cancelAll()
            return busy
        }
        #expect(results == 9)
    }
}
