import MartletCore
import MartletIO
import MartletRuntime
import Testing

@testable import MartletLauncher

@Suite struct ScheduleTests {
    @Test func requestsAreDueAtEvenDistancesWhateverTheNodeDoes() {
        var schedule = LoadSchedule(rate: 1000, start: 5_000_000, end: 15_000_000)
        #expect(schedule.take(now: 5_000_000) == 5_000_000)
        #expect(schedule.take(now: 5_000_000) == nil)
        #expect(schedule.nextDue(now: 5_000_000) == 6_000_000)
        // After a stall all that were due meanwhile come at once, each with the time at which it was due.
        var due: [UInt64] = []
        while let next = schedule.take(now: 9_500_000) { due.append(next) }
        #expect(due == [6_000_000, 7_000_000, 8_000_000, 9_000_000])
        while let next = schedule.take(now: 99_000_000) { due.append(next) }
        #expect(due.last == 14_000_000)
        #expect(schedule.issued == 10)
        #expect(schedule.nextDue(now: 99_000_000) == nil)
    }

    @Test func aRateIsKeptWithoutDrift() {
        var schedule = LoadSchedule(rate: 333_333, start: 0, end: 3_000_000_000)
        while schedule.take(now: .max) != nil {}
        #expect(abs(schedule.issued - 999_999) <= 1)
    }

    @Test func withoutARateTheNextIsDueNow() {
        var schedule = LoadSchedule(rate: nil, start: 10, end: 20)
        #expect(schedule.take(now: 13) == 13)
        #expect(schedule.take(now: 20) == nil)
    }
}

@Suite struct ReplyScannerTests {
    private func scan(_ text: String) throws -> [ReplyScanner.Reply] {
        try withBytes(of: text) { bytes in
            var offset = 0
            var replies: [ReplyScanner.Reply] = []
            while let reply = try ReplyScanner.next(in: bytes, at: &offset) { replies.append(reply) }
            return replies
        }
    }

    @Test func repliesAreFoundOneAfterTheOther() throws {
        let replies = try scan("+OK\r\n$3\r\na\r\n\r\n$-1\r\n:-12\r\n-ERR no\r\n$0\r\n\r\n$5\r\nhal")
        #expect(replies == [.status, .bulk(9..<12), .null, .integer(-12), .error(26..<32), .bulk(38..<38)])
    }

    @Test(arguments: ["?\r\n", "$x\r\n", "$\r\n", ":1a\r\n"])
    func whatIsNoReplyIsRefused(text: String) {
        #expect(throws: DriverError.self) { try scan(text) }
    }

    @Test func everyPrefixWaits() throws {
        let text = "$3\r\nabc\r\n"
        for length in 0..<text.utf8.count {
            #expect(try scan(String(decoding: text.utf8.prefix(length), as: UTF8.self)).isEmpty)
        }
    }
}

/// A server of GET and SET in a dictionary, on an event loop, which can be told to misbehave.
private final class SmallServer: @unchecked Sendable {  // its state is used on its loop alone
    enum Fault { case none, forgets, alters, refuses }
    private let loop = UVEventLoop.start(name: "small-server")
    private(set) var address = SocketAddress(host: "127.0.0.1", port: 0)
    fileprivate var pairs: [[UInt8]: [UInt8]] = [:]
    fileprivate let fault: Fault
    private var listener: (any Listener)?

    init(_ fault: Fault = .none) async throws {
        self.fault = fault
        let loop = loop
        address = try await withCheckedThrowingContinuation { continuation in
            loop.post { [self] in
                do {
                    let listener = try loop.listen(on: SocketAddress(host: "127.0.0.1", port: 0)) { stream in
                        SmallConnection(stream, self)
                    }
                    self.listener = listener
                    continuation.resume(returning: listener.address)
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }

    func stop() { loop.stop() }
}

private final class SmallConnection: StreamHandler {
    private let stream: any ByteStream
    private let server: SmallServer
    private var input: [UInt8] = []

    init(_ stream: any ByteStream, _ server: SmallServer) {
        self.stream = stream
        self.server = server
    }

    func received(_ bytes: RawSpan) {
        input += bytes.array
        var at = 0
        while let words = command(&at) { answer(words) }
        input.removeFirst(at)
    }

    private func line(_ at: inout Int) -> Int? {
        guard let end = input[at...].firstIndex(of: 10) else { return nil }
        let number = Int(String(decoding: input[(at + 1)..<(end - 1)], as: UTF8.self))
        at = end + 1
        return number
    }

    private func command(_ at: inout Int) -> [[UInt8]]? {
        var here = at
        guard here < input.count, let count = line(&here) else { return nil }
        var words: [[UInt8]] = []
        for _ in 0..<count {
            guard here < input.count, let length = line(&here), input.count >= here + length + 2 else { return nil }
            words.append(Array(input[here..<(here + length)]))
            here += length + 2
        }
        at = here
        return words
    }

    private func answer(_ words: [[UInt8]]) {
        stream.write { output in
            if server.fault == .refuses {
                output.append("-BUSY later\r\n")
            } else if words.count == 3 {
                if server.fault != .forgets { server.pairs[words[1]] = words[2] }
                output.append("+OK\r\n")
            } else if var value = server.pairs[words[1]] {
                if server.fault == .alters { value[value.count / 2] ^= 4 }
                output.append("$\(value.count)\r\n")
                output.append(value)
                output.append("\r\n")
            } else {
                output.append("$-1\r\n")
            }
        }
    }

    func closed(_ error: StreamError?) {}
}

@Suite struct LoadDriverTests {
    private func driver(_ server: SmallServer, window: Int = 4) throws -> LoadDriver {
        try LoadDriver(
            to: server.address, connections: 3, window: window, bytes: RecordBytes(valueSize: 100, seed: 1),
            clock: SystemClock())
    }

    private func fill(_ driver: LoadDriver, _ count: Int) throws -> LoadResult {
        try driver.perform(
            LoadRun(workload: .load, distribution: .uniform, duration: .seconds(60), limit: count, seed: 1))
    }

    @Test(arguments: [Workload.a, .b, .c, .d, .f], [nil, 2000.0])
    func everyWorkloadIsAnsweredAndChecked(workload: Workload, rate: Double?) async throws {
        let server = try await SmallServer()
        defer { server.stop() }
        let driver = try driver(server)
        let loaded = try fill(driver, 200)
        #expect(loaded.requests == 200)
        #expect(loaded.bytesWritten == 200 * 120)
        #expect(driver.records.count == 200)
        let result = try driver.perform(
            LoadRun(
                workload: workload, distribution: workload.usualDistribution, rate: rate, duration: .seconds(60),
                limit: 500, seed: 3))
        #expect(result.requests == 500)
        #expect(result.latency.count == 500)
        #expect(result.errors + result.wrong + result.missing + result.abandoned == 0)
        #expect((result.bytesWritten > 0) == (workload != .c))
    }

    @Test func whatAServerLosesIsMissed() async throws {
        let server = try await SmallServer(.forgets)
        defer { server.stop() }
        let driver = try driver(server)
        _ = try fill(driver, 50)
        #expect(try driver.readAll(Array(0..<50)).missing == 50)
    }

    @Test func anAlteredValueIsNoticed() async throws {
        let server = try await SmallServer(.alters)
        defer { server.stop() }
        let driver = try driver(server)
        _ = try fill(driver, 50)
        #expect(try driver.readAll([3, 4, 5]).wrong == 3)
    }

    @Test func aRefusalIsAnError() async throws {
        let server = try await SmallServer(.refuses)
        defer { server.stop() }
        let result = try fill(try driver(server), 20)
        #expect(result.errors == 20)
        #expect(result.firstError == "BUSY later")
        #expect(result.bytesWritten == 0)
    }

    @Test func aClosedConnectionEndsTheRunWithAReason() async throws {
        let server = try await SmallServer()
        let driver = try driver(server)
        _ = try fill(driver, 10)
        driver.meanwhile = { _ in server.stop() }
        #expect(throws: DriverError.self) { try fill(driver, .max) }
    }
}
