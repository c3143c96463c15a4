import MartletCore
import MartletRuntime
import Testing

@testable import MartletClient

private let greeting = "%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"

@Suite struct ConnectionMachineTests {
    @Test func greetsAndIsReady() {
        var machine = ConnectionMachine()
        var output = ByteBuffer()
        machine.open(keyspace: 0, into: &output)
        #expect(text(output) == "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n")
        #expect(machine.events(after: "%1\r\n+proto\r\n").isEmpty)
        #expect(machine.events(after: ":3\r\n") == [.ready])
        let isReady = machine.isReady
        #expect(isReady)
    }

    @Test func choosesTheKeyspaceBeforeItIsReady() {
        var machine = ConnectionMachine()
        var output = ByteBuffer()
        machine.open(keyspace: 5, into: &output)
        #expect(text(output).hasSuffix("SELECT\r\n$1\r\n5\r\n"))
        #expect(machine.events(after: greeting).isEmpty)
        #expect(machine.events(after: "+OK\r\n") == [.ready])
    }

    @Test(arguments: ["-ERR unknown command 'HELLO'\r\n", "-NOPROTO unsupported\r\n", "%1\r\n+proto\r\n:2\r\n"])
    func aRefusedGreetingEndsIt(reply: String) {
        var machine = ConnectionMachine()
        var output = ByteBuffer()
        machine.open(keyspace: 0, into: &output)
        let events = machine.events(after: reply)
        #expect(events.count == 1)
        guard case .refused = events.first else {
            Issue.record("not refused: \(events)")
            return
        }
        #expect(machine.events(after: greeting).isEmpty)
    }

    @Test func repliesBelongToRequestsInOrder() {
        var machine = readyMachine()
        machine.send([1, 2, 3])
        let before = machine.outstanding
        #expect(before == 3)
        #expect(
            machine.events(after: "+a\r\n-ERR b\r\n+") == [.reply(id: 1, .simple("a")), .reply(id: 2, .error("ERR b"))])
        #expect(machine.events(after: "c\r\n") == [.reply(id: 3, .simple("c"))])
        let after = machine.outstanding
        #expect(after == 0)
    }

    @Test func pushesBelongToNoRequest() {
        var machine = readyMachine()
        machine.send([1])
        #expect(machine.events(after: ">1\r\n+invalidate\r\n+OK\r\n") == [.reply(id: 1, .simple("OK"))])
    }

    @Test func aReplyOfTheWrongShapeEndsIt() {
        var machine = readyMachine()
        machine.send([1, 2])
        let violation = ProtocolViolation(message: "an integer answers another kind of request")
        #expect(machine.events(after: ":1\r\n+OK\r\n") == [.violated(id: 1, violation)])
        #expect(machine.end(unsentBytes: 0).map(\.id) == [2])
    }

    @Test func aReplyToNoRequestEndsIt() {
        var machine = readyMachine()
        #expect(
            machine.events(after: "+OK\r\n") == [
                .violated(id: nil, ProtocolViolation(message: "a reply to no request"))
            ])
    }

    @Test func garbageEndsItAfterTheRepliesBeforeIt() {
        var machine = readyMachine()
        machine.send([1, 2])
        let events = machine.events(after: "+OK\r\n?\r\n")
        #expect(events.count == 2)
        #expect(events.first == .reply(id: 1, .simple("OK")))
        let isReady = machine.isReady
        #expect(!isReady)
    }

    @Test func tellsWhichRequestsLeft() {
        var machine = readyMachine()
        machine.send([1, 2, 3])
        // Requests of 14 bytes each: 3 never left, a part of 2 did.
        let requests = machine.end(unsentBytes: 20)
        #expect(requests.map(\.id) == [1, 2, 3])
        #expect(requests.map(\.wasSent) == [true, true, false])
    }
}

private func readyMachine() -> ConnectionMachine {
    var machine = ConnectionMachine()
    var output = ByteBuffer()
    machine.open(keyspace: 0, into: &output)
    _ = machine.events(after: greeting)
    return machine
}

private func text(_ buffer: borrowing ByteBuffer) -> String { String(decoding: buffer.copy(), as: UTF8.self) }

extension ConnectionMachine {
    fileprivate mutating func send(_ ids: [UInt64]) {
        var output = ByteBuffer()
        for id in ids {
            send(
                id: id, shape: .simple, command: CommandEncoder("PING").bytes, at: MonotonicTime(nanoseconds: id),
                into: &output)
        }
    }

    fileprivate mutating func events(after text: String) -> [Event] {
        receive(Array(text.utf8).span.bytes)
        var events: [Event] = []
        while let event = nextEvent() { events.append(event) }
        return events
    }
}
