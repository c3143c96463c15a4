import MartletCore
import Testing

@testable import MartletClient

/// A stream of replies of every kind, and what it means.
private let stream = """
    +OK\r
    -ERR no\r
    :-42\r
    $5\r
    he\r\nl\r
    $-1\r
    *-1\r
    _\r
    #t\r
    ,-1.5e3\r
    ,inf\r
    (-123456789012345678901234567890\r
    =6\r
    txt:hi\r
    !7\r
    BUSY no\r
    *0\r
    %0\r
    *2\r
    *1\r
    :1\r
    %2\r
    +a\r
    ~2\r
    :1\r
    :2\r
    $0\r
    \r
    _\r
    |1\r
    +ttl\r
    :9\r
    :5\r
    *2\r
    |1\r
    +x\r
    +y\r
    +one\r
    +two\r
    >2\r
    +invalidate\r
    _\r

    """

private let replies: [Reply] = [
    .simple("OK"), .error("ERR no"), .integer(-42), .bytes(Array("he\r\nl".utf8)), .null, .null, .null, .boolean(true),
    .double(-1500), .double(.infinity), .bigNumber("-123456789012345678901234567890"), .bytes(Array("hi".utf8)),
    .error("BUSY no"), .array([]), .map([]),
    .array([
        .array([.integer(1)]),
        .map([
            .init(key: .simple("a"), value: .set([.integer(1), .integer(2)])), .init(key: .bytes([]), value: .null),
        ]),
    ]),
    .integer(5), .array([.simple("one"), .simple("two")]), .push([.simple("invalidate"), .null]),
]

@Suite struct ReplyParserTests {
    @Test func readsEveryKind() throws {
        #expect(try parse([Array(stream.utf8)]) == replies)
    }

    @Test func readsTheSameSplitAtEveryOffset() throws {
        let bytes = Array(stream.utf8)
        for offset in 0...bytes.count {
            #expect(try parse([Array(bytes[..<offset]), Array(bytes[offset...])]) == replies, "split at \(offset)")
        }
    }

    @Test func readsTheSameByteByByte() throws {
        #expect(try parse(stream.utf8.map { [$0] }) == replies)
    }

    @Test func readsTheSameInPiecesOfAnySize() throws {
        let bytes = Array(stream.utf8)
        var random = SplitMix(seed: 7)
        for _ in 0..<200 {
            var pieces: [[UInt8]] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int(random.next() % 9) + 1)
                pieces.append(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(try parse(pieces) == replies)
        }
    }

    @Test(arguments: [
        "?\r\n", "\r\n", ":\r\n", ":1x\r\n", ":99999999999999999999\r\n", "$-2\r\n", "$1x\r\n", "$1\r\nab\r\n",
        "*-2\r\n", "%-1\r\n", "*99999999\r\n", "#x\r\n", ",1..2\r\n", "(\r\n", "(1x\r\n", "_x\r\n", "=3\r\ntxt\r\n",
        "!-1\r\n",
        "*1\r\n>1\r\n", "$?\r\n", "*?\r\n", "HTTP/1.1 400 Bad Request\r\n", "$1073741824\r\n",
    ])
    func refusesWhatIsNoReply(text: String) {
        #expect(throws: ProtocolViolation.self) { try parse([Array(text.utf8)]) }
    }

    @Test func refusesDeepNesting() throws {
        let deepest = String(repeating: "*1\r\n", count: 32) + ":1\r\n"
        #expect(try parse([Array(deepest.utf8)]).count == 1)
        #expect(throws: ProtocolViolation.self) { try parse([Array(("*1\r\n" + deepest).utf8)]) }
    }

    @Test func refusesALineThatDoesNotEnd() {
        #expect(throws: ProtocolViolation.self) { try parse([Array(repeating: UInt8(ascii: "+"), count: 70_000)]) }
    }

    @Test func refusesAReplyThatGrowsWithoutEnd() {
        let element = Array("$4\r\nabcd\r\n".utf8)
        var parser = ReplyParser(limits: ReplyLimits(reply: 10_000))
        #expect(throws: ProtocolViolation.self) {
            parser.append(bytes: Array("*100000\r\n".utf8))
            for _ in 0..<2_000 {
                parser.append(bytes: element)
                _ = try parser.next()
            }
        }
    }

    @Test func holdsNoMoreThanWasReceived() throws {
        var parser = ReplyParser()
        parser.append(bytes: Array("*1000000\r\n$60000000\r\n".utf8))
        #expect(try parser.next() == nil)
        #expect(parser.capacity <= 4096)
    }

    @Test func randomBytesNeverTrap() {
        var random = SplitMix(seed: 11)
        let tokens = "+ - : $ * % ~ | > _ # , ( = ! 0 1 2 3 \r\n \r\n \r\n \r\n abc t txt:".split(separator: " ")
        var violations = 0
        for _ in 0..<5_000 {
            let text = (0..<40).map { _ in tokens[Int(random.next() % UInt64(tokens.count))] }.joined()
            do { _ = try parse([Array(text.utf8)]) } catch { violations += 1 }
        }
        #expect(violations > 1_000)
    }
}

/// All replies in bytes that come in these pieces.
private func parse(_ pieces: [[UInt8]]) throws -> [Reply] {
    var parser = ReplyParser()
    var result: [Reply] = []
    for piece in pieces {
        parser.append(bytes: piece)
        while let reply = try parser.next() { result.append(reply) }
    }
    return result
}

extension ReplyParser {
    fileprivate mutating func append(bytes: [UInt8]) { append(bytes.span.bytes) }
}
