import Testing

/// Input that is no RESP, or only just: what Redis 7.0.15 answers, captured from one, and whether it then closes.
///
/// Not here is what has no answer to wait for: half a command, a line without its CR, a NUL in a line, at which Redis
/// stops looking for the line's end.
@Suite(.serialized)
struct MalformedInputTests {
    /// Texts are bytes: each of their scalars is one.
    struct Case: Sendable {
        var input: [UInt8]
        var output: [UInt8]
        var closes: Bool

        /// Closed without a reply: one to what came before may or may not be on its way then.
        var isDropped: Bool { closes && output.isEmpty }

        init(_ input: String, _ output: String, closes: Bool = false) {
            self.input = input.unicodeScalars.map { UInt8($0.value) }
            self.output = output.unicodeScalars.map { UInt8($0.value) }
            self.closes = closes
        }
    }

    static let cases: [Case] = [
        Case("*abc\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*+1\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*01\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("* 1\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*1048577x\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*-2\r\nPING\r\n", "+PONG\r\n"),
        Case("*1 \r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*--1\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*0\r\nPING\r\n", "+PONG\r\n"),
        Case("*-1\r\nPING\r\n", "+PONG\r\n"),
        Case("\r\nPING\r\n", "+PONG\r\n"),
        Case("   \r\nPING\r\n", "+PONG\r\n"),
        Case("\nPING\n", "+PONG\r\n"),
        Case("PING\n", "+PONG\r\n"),
        Case("*1\r\n:4\r\nPING\r\n", "-ERR Protocol error: expected '$', got ':'\r\n", closes: true),
        Case("*1\r\n\r\n", "-ERR Protocol error: expected '$', got ' '\r\n", closes: true),
        Case("*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n", closes: true),
        Case("*2\r\n$4\r\nPING\r\n*1\r\n", "-ERR Protocol error: expected '$', got '*'\r\n", closes: true),
        Case("*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case("*1\r\n$abc\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case("*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case("*1\r\n$+4\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case("*1\r\n$04\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case("*1\r\n$ 4\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case("*1\r\n$\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case("*1\r\n$4 \r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case(
            "*" + String(repeating: "1", count: 65600), "-ERR Protocol error: too big mbulk count string\r\n",
            closes: true),
        Case(
            "*1\r\n$" + String(repeating: "1", count: 65600), "-ERR Protocol error: too big bulk count string\r\n",
            closes: true),
        Case(String(repeating: "a", count: 65600), "-ERR Protocol error: too big inline request\r\n", closes: true),
        Case(
            "*1\r\n" + String(repeating: "a", count: 65600), "-ERR Protocol error: too big bulk count string\r\n",
            closes: true),
        Case("SET a \"foo\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n", closes: true),
        Case("SET a 'foo\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n", closes: true),
        Case("SET a \"foo\"bar\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n", closes: true),
        Case("ECHO \"\\x00\\xff\"\r\n", "$2\r\n\0\u{ff}\r\n"),
        Case("ECHO \"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", "$8\r\n\n\r\t\u{8}\u{7}\\\"q\r\n"),
        Case("ECHO 'it\\'s'\r\n", "$4\r\nit's\r\n"),
        Case("ECHO 'a\\nb'\r\n", "$4\r\na\\nb\r\n"),
        Case("ECHO \"\"\r\n", "$0\r\n\r\n"),
        Case("ECHO \"\\xZZ\"\r\n", "$3\r\nxZZ\r\n"),
        Case("ECHO a\"b\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n", closes: true),
        Case("ECHO \"a\" \r\n", "$1\r\na\r\n"),
        Case("  PING  \r\n", "+PONG\r\n"),
        Case("ECHO\ta\r\n", "$1\r\na\r\n"),
        Case("ECHO \u{ff}\u{fe}\r\n", "$2\r\n\u{ff}\u{fe}\r\n"),
        Case("\"PING\"\r\n", "+PONG\r\n"),
        Case("ECHO \"\\x4a\\x4B\"\r\n", "$2\r\nJK\r\n"),
        Case("PING\r\r\n", "+PONG\r\n"),
        Case("ECHO a\rb\r\n", "-ERR wrong number of arguments for 'echo' command\r\n"),
        Case("*1\r\n$4\r\nPINGxxPING\r\n", "+PONG\r\n+PONG\r\n"),
        Case("*1\n$4\nPING\nPING\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*1\r\n$4\r\nPINGPING\r\n", "+PONG\r\n-ERR unknown command 'NG', with args beginning with: \r\n"),
        Case("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", closes: true),
        Case("POST / HTTP/1.1\r\n\r\n", "", closes: true),
        Case("hOST: x\r\n", "", closes: true),
        Case("*1\r\n$4\r\nPING\r\nPOST x\r\n", "", closes: true),
        Case("*1\r\n$2\r\nPI\r\n", "-ERR unknown command 'PI', with args beginning with: \r\n"),
        Case("*1\r\n$5\r\nPI\0NG\r\n", "-ERR unknown command 'PI', with args beginning with: \r\n"),
        Case("*1\r\n$0\r\n\r\n", "-ERR unknown command '', with args beginning with: \r\n"),
        Case(
            "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\ngarbage here\r\n",
            "+OK\r\n$1\r\nb\r\n-ERR unknown command 'garbage', with args beginning with: 'here' \r\n"),
        Case(
            "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n*x\r\n",
            "+PONG\r\n+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case(
            "*1\r\n$4\r\nPING\r\n*1\r\n+x\r\n", "+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n", closes: true),
        Case("*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n", "+OK\r\n", closes: true),
        Case("*2\r\n$4\r\nQUIT\r\n$1\r\nx\r\n", "+OK\r\n", closes: true),
        Case(
            "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n*3\r\n$3\r\nSET\r\n$-5\r\n",
            "$1\r\nx\r\n-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case(
            "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$99999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n",
            closes: true),
        Case("*9223372036854775808\r\n", "-ERR Protocol error: invalid multibulk length\r\n", closes: true),
        Case("*1\r\n$18446744073709551616\r\n", "-ERR Protocol error: invalid bulk length\r\n", closes: true),
        Case(
            "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", "+PONG\r\n"),
        Case(
            "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n*1\r\n$4\r\nPING\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n*1\r\n$4\r\nPING\r\n",
            "+OK\r\n+PONG\r\n"),
        Case(
            "*1\r\n$3\r\nGET\r\n*x\r\n",
            "-ERR wrong number of arguments for 'get' command\r\n-ERR Protocol error: invalid multibulk length\r\n",
            closes: true),
    ]

    @Test(arguments: NodeUnderTest.all.filter { $0.backend == "memory" })
    func answersAsRedis(node: NodeUnderTest) async throws {
        try await node.run { try Self.check(port: $0) }
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func redisAnswersAsCaptured() throws {
        let redis = try RedisServer.start()
        try Self.check(port: redis.port)
    }

    private static func check(port: UInt16) throws {
        for (index, item) in cases.enumerated() {
            let shown = Reply.show(Array(item.input.prefix(80)))
            for pieces in [Int.max, 1, 3] where pieces == .max || (item.input.count < 1000 && !item.isDropped) {
                let wire = try Wire(port: port)
                var start = 0
                while start < item.input.count {
                    let end = start + min(pieces, item.input.count - start)
                    wire.send(item.input[start..<end])
                    start = end
                }
                var output: [UInt8] = []
                var isClosed = false
                while !isClosed, output.count < item.output.count || item.closes {
                    guard let bytes = try? wire.receive() else { break }  // silence
                    isClosed = bytes.isEmpty
                    output += bytes
                }
                #expect(isClosed == item.closes, "case \(index) in pieces of \(pieces): \(shown)")
                #expect(output == item.output, "case \(index) in pieces of \(pieces): \(shown)")
            }
        }
    }
}
