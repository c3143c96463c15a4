import MartletCore
import MartletRuntime
import Testing

@testable import MartletServer

struct CommandTableTests {
    private let table = CommandTable.standard

    @Test func findsEveryCommandInAnyCase() {
        for row in 0..<table.count {
            let name = table.rows[row].name
            #expect(withBytes(of: name) { table.row(named: $0) } == row)
            #expect(withBytes(of: name.uppercased()) { table.row(named: $0) } == row)
        }
        for row in table.rows.indices {
            #expect(withBytes(of: table.rows[row].name) { table.row(fullName: $0) } == row)
        }
    }

    @Test(arguments: [
        "", "ge", "gett", "get\0", "g\u{5}t", "[et", "a-name-that-is-far-too-long", "client|id", "getrangegetrange",
    ])
    func findsNothingElse(name: String) {
        #expect(withBytes(of: name) { table.row(named: $0) } == nil)
    }

    @Test func keysOfSubcommandsAreFound() {
        let words = ["OBJECT", "encoding", "a"]
        var input: [UInt8] = []
        let arguments = words.map { word in
            let start = input.count
            input += Array(word.utf8)
            return start..<input.count
        }
        let row = withBytes(of: input) { table.row($0, arguments) }
        #expect(row.map { table.rows[$0].name } == "object|encoding")
    }

    @Test func foldsOnlyLetters() {
        for byte in UInt8.min...UInt8.max {
            let name = CommandName(String(decoding: [byte & 0x7f], as: UTF8.self))
            let lower = CommandName(String(decoding: [byte & 0x7f], as: UTF8.self).lowercased())
            #expect(name == lower)
        }
        // bytes beside A...Z, and with the high bit set, stand for themselves
        for byte: UInt8 in [0x40, 0x5b, 0x60, 0x7b, 0xc1, 0xda] {
            let name = withBytes(of: [byte]) { CommandName($0) }
            #expect(name?.low == UInt64(byte))
        }
    }

    @Test func everyRowHasItsParts() {
        for command in table.rows {
            #expect(!command.summary.isEmpty)
            #expect(command.arity != 0)
            #expect(command.name == command.name.lowercased())
            if case .keys(let first, let last, let step) = command.shape {
                #expect(first >= 1 && step >= 1)
                // the keys that the least arguments name are there
                #expect(last < 0 || abs(command.arity) > last)
            }
        }
    }
}

struct OptionTests {
    @Test(arguments: [
        ("SCAN 0", UInt64(0), Int64(10), true), ("SCAN 12 COUNT 5 TYPE string", 12, 5, true),
        ("SCAN -1 type hash", .max, 10, false), ("SCAN +7 MATCH * count 1 COUNT 2", 7, 2, true), ("SCAN ", 0, 10, true),
    ])
    func readsScan(line: String, cursor: UInt64, count: Int64, takesStrings: Bool) throws {
        let bench = try CommandBench()
        let (options, reply) = bench.parse(line) { ScanOptions.parse($0, $1) }
        #expect(reply == "")
        #expect(options?.cursor == cursor)
        #expect(options?.count == count)
        #expect(options?.takesStrings == takesStrings)
        #expect(options?.pattern == nil)
    }

    @Test(arguments: [
        ("SCAN a", "-ERR invalid cursor|"), ("SCAN 18446744073709551616", "-ERR invalid cursor|"),
        ("SCAN -", "-ERR invalid cursor|"), ("SCAN 1x", "-ERR invalid cursor|"),
        ("SCAN 0 COUNT 0", "-ERR syntax error|"), ("SCAN 0 MATCH", "-ERR syntax error|"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range|"), ("SCAN 0 FOO bar", "-ERR syntax error|"),
    ])
    func refusesScan(line: String, expected: String) throws {
        let (options, reply) = try CommandBench().parse(line) { ScanOptions.parse($0, $1) }
        #expect(options == nil)
        #expect(reply == expected)
    }

    @Test(arguments: [("FLUSHDB", true), ("FLUSHDB sync", true), ("FLUSHALL ASYNC", true), ("FLUSHDB x", false)])
    func readsFlush(line: String, isValid: Bool) throws {
        let (result, reply) = try CommandBench().parse(line) { KeyspaceOptions.parseFlush($0, $1) }
        #expect(result == isValid)
        #expect(reply == (isValid ? "" : "-ERR syntax error|"))
    }

    @Test(arguments: [
        ("0", Int64(0)), ("-1", -1), ("9223372036854775807", .max), ("-9223372036854775808", .min), ("007", nil),
        ("-0", nil), ("+1", nil), (" 1", nil), ("1 ", nil), ("", nil), ("-", nil), ("9223372036854775808", nil),
        ("-9223372036854775809", nil), ("99999999999999999999", nil), ("1e3", nil),
    ])
    func readsIntegers(text: String, expected: Int64?) {
        #expect(withBytes(of: text) { $0.decimal } == expected)
    }

    @Test(arguments: [
        ("3.0", "3"), ("1e3", "1000"), ("0.1", "0.1"), ("-0.0", "0"), ("0x10", "16"), ("1e-20", "0"),
        ("3.14159265358979", "3.14159265358979"), ("1234567890.123", "1234567890.12300000002142042"), ("+5", "5"),
    ])
    func writesLongDoubles(text: String, expected: String) {
        var buffer = ByteBuffer()
        withBytes(of: text) { LongDouble(parsing: $0) }?.append(to: &buffer)
        #expect(String(decoding: buffer.copy(), as: UTF8.self) == expected)
    }

    @Test(arguments: ["", " 1", "1 ", "abc", "nan", "1e99999", "1e-99999", "1\0"])
    func refusesLongDoubles(text: String) {
        #expect(withBytes(of: text) { LongDouble(parsing: $0) } == nil)
    }
}
