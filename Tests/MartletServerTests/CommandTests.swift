import MartletServer
import Testing

/// Single commands against the answers of Redis 7.0.15, which were taken from a running one.
struct CommandTests {
    @Test(arguments: [
        (["GET a"], "$-1|"),
        (["get a b"], "-ERR wrong number of arguments for 'get' command|"),
        (["SET a 1", "GeT a"], "$1|1|"),
        (["SET a 1 NX", "SET a 2 NX"], "$-1|"),
        (["SET a 1 XX"], "$-1|"),
        (["SET a 1 NX XX"], "-ERR syntax error|"),
        (["SET a 1 ZZ"], "-ERR syntax error|"),
        (["SET a 1 EX 0"], "-ERR invalid expire time in 'set' command|"),
        (["SET a 1 EX 9223372036854775807"], "-ERR invalid expire time in 'set' command|"),
        (["SET a 1 EX 01"], "-ERR value is not an integer or out of range|"),
        (["SET a 1 EX"], "-ERR syntax error|"),
        (["SET a 1 EX 10 KEEPTTL"], "-ERR syntax error|"),
        (["SET a 1 EX 10 EX 20", "TTL a"], ":20|"),
        (["SET a 1", "SET a 2 GET"], "$1|1|"),
        (["SET a 1 NX GET", "GET a"], "$1|1|"),
        (["SET a 1 EX 100", "SET a 2 KEEPTTL", "TTL a"], ":100|"),
        (["SET a 1 EX 100", "SET a 2", "TTL a"], ":-1|"),
        (["SET a 1 PXAT 5", "EXISTS a"], ":0|"),
        (["SETEX a 0 x"], "-ERR invalid expire time in 'setex' command|"),
        (["PSETEX a -1 x"], "-ERR invalid expire time in 'psetex' command|"),
        (["SET a 1", "GETEX a EX 0"], "-ERR invalid expire time in 'getex' command|"),
        (["GETEX a EX 0"], "$-1|"),
        (["SET a 1 EX 9", "GETEX a PERSIST", "TTL a"], ":-1|"),
        (["SET a 1", "GETEX a EXAT 5", "EXISTS a"], ":0|"),
        (["SET a 1", "GETDEL a", "GET a"], "$-1|"),
        (["SET a 1", "GETSET a 2"], "$1|1|"),
        (["MSET a 1 b"], "-ERR wrong number of arguments for 'mset' command|"),
        (["MSET a 1 b 2", "MGET a c b"], "*3|$1|1|$-1|$1|2|"),
        (["SET b 1", "MSETNX a 1 b 2", "EXISTS a"], ":0|"),
        (["INCR a", "INCR a"], ":2|"),
        (["SET a x", "INCR a"], "-ERR value is not an integer or out of range|"),
        (["SET a 9223372036854775807", "INCR a"], "-ERR increment or decrement would overflow|"),
        (["DECRBY a -9223372036854775808"], "-ERR decrement would overflow|"),
        (["INCRBYFLOAT a 10.5", "INCRBYFLOAT a 0.1"], "$4|10.6|"),
        (["SET a 5.0e3", "INCRBYFLOAT a 200"], "$4|5200|"),
        (["INCRBYFLOAT a nan"], "-ERR value is not a valid float|"),
        (["INCRBYFLOAT a inf"], "-ERR increment would produce NaN or Infinity|"),
        (["INCRBYFLOAT a -0"], "$1|0|"),
        (["SET a Hello", "APPEND a World"], ":10|"),
        (["SETRANGE a 3 x", "STRLEN a"], ":4|"),
        (["SETRANGE a -1 x"], "-ERR offset is out of range|"),
        (["SETRANGE a 536870912 x"], "-ERR string exceeds maximum allowed size (proto-max-bulk-len)|"),
        (["SET a Hello", "GETRANGE a -3 -1"], "$3|llo|"),
        (["SET a Hello", "GETRANGE a -1 -3"], "$0||"),
        (["SET a Hello", "GETRANGE a 1 -9223372036854775808"], "$0||"),
        (["EXPIRE a 1 NX XX"], "-ERR NX and XX, GT or LT options at the same time are not compatible|"),
        (["EXPIRE a 1 GT LT"], "-ERR GT and LT options at the same time are not compatible|"),
        (["EXPIRE a 1 foo"], "-ERR Unsupported option foo|"),
        (["EXPIRE a 9223372036854775807"], "-ERR invalid expire time in 'expire' command|"),
        (["SET a 1", "EXPIRE a 5 GT", "EXPIRE a 5 LT", "TTL a"], ":5|"),
        (["SET a 1", "EXPIRE a -5", "EXISTS a"], ":0|"),
        (["TTL a"], ":-2|"),
        (["SET a 1 PXAT 1800000000499", "EXPIRETIME a"], ":1800000000|"),
        (["SET a 1 PXAT 1800000000500", "EXPIRETIME a"], ":1800000001|"),
        (["SET a 1 EX 5", "PERSIST a", "PERSIST a"], ":0|"),
        (["RENAME a b"], "-ERR no such key|"),
        (["SET a 1", "RENAME a a"], "+OK|"),
        (["SET a 1", "RENAMENX a a"], ":0|"),
        (["SET a 1 EX 50", "RENAME a b", "TTL b"], ":50|"),
        (["COPY a a"], "-ERR source and destination objects are the same|"),
        (["SET a 1", "COPY a b DB 1", "SELECT 1", "GET b"], "$1|1|"),
        (["COPY a b DB 2"], "-ERR DB index is out of range|"),
        (["SET a 1", "SET b 2", "COPY a b"], ":0|"),
        (["SET a 1", "SET b 2", "COPY a b REPLACE", "GET b"], "$1|1|"),
        (["SELECT 99"], "-ERR DB index is out of range|"),
        (["SELECT x"], "-ERR value is not an integer or out of range|"),
        (["SELECT 9999999999"], "-ERR value is out of range, value must between -2147483648 and 2147483647|"),
        (["SELECT other"], "+OK|"),
        (["SET a 1", "EXISTS a a b"], ":2|"),
        (["SET a 1", "DEL a a"], ":1|"),
        (["SET a 12", "OBJECT ENCODING a"], "$3|int|"),
        (["SET a 012", "OBJECT ENCODING a"], "$6|embstr|"),
        (["OBJECT ENCODING"], "-ERR wrong number of arguments for 'object|encoding' command|"),
        (["OBJECT FOO"], "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.|"),
        (["PI"], "-ERR unknown command 'PI', with args beginning with: |"),
        (["FOO a b"], "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' |"),
        (["PING x y"], "-ERR wrong number of arguments for 'ping' command|"),
        (["HELLO 4"], "-NOPROTO unsupported protocol version|"),
        (["HELLO x"], "-ERR Protocol version is not an integer or out of range|"),
        (["HELLO 3 AUTH"], "-ERR Syntax error in HELLO option 'AUTH'|"),
        (["HELLO 3", "GET a"], "_|"),
        (["HELLO 3", "RESET", "GET a"], "$-1|"),
        (["AUTH a b"], "-WRONGPASS invalid username-password pair or user is disabled.|"),
        (["CLIENT SETNAME a", "CLIENT GETNAME"], "$1|a|"),
        (["CLIENT SETINFO lib-name redis-py"], "+OK|"),
        (["CLIENT KILL 1.2.3.4:1"], "-ERR No such client|"),
        (["CLIENT KILL TYPE foo"], "-ERR Unknown client type 'foo'|"),
        (["CONFIG SET foo bar"], "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'|"),
        (["CONFIG SET timeout 5", "CONFIG GET timeout"], "*2|$7|timeout|$1|5|"),
        (["COMMAND GETKEYS MSET a 1 b 2"], "*2|$1|a|$1|b|"),
        (["COMMAND GETKEYS OBJECT ENCODING a"], "*1|$1|a|"),
        (["COMMAND GETKEYS PING x"], "-ERR The command has no key arguments|"),
        (["COMMAND GETKEYS FOO x"], "-ERR Invalid command specified|"),
        (["FUNCTION FLUSH foo"], "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option|"),
        (["CLUSTER KEYSLOT {user}x"], ":5474|"),
        (["WAIT 0 -1"], "-ERR timeout is negative|"),
        (["INFO server"], "$32|# Server|redis_version:7.0.15||"),
        (["MARTLET.PUT a 1 DURABILITY soon"], "-ERR DURABILITY must be none, interval or always|"),
        (["MARTLET.PUT a 1 PX 0"], "-ERR invalid expire time in 'martlet.put' command|"),
        (["MARTLET.GET a"], "$-1|"),
    ])
    func answersAsRedis(commands: [String], last expected: String) throws {
        let bench = try CommandBench()
        var reply = ""
        for command in commands { reply = bench.run(command) }
        #expect(reply == expected)
    }

    @Test func quotesBytesAsTheyCameWithoutLineEnds() throws {
        let bench = try CommandBench()
        let reply = bench.run([Array("a\r\n+OK\r\n".utf8) + [0xff], [0x80, 13, 10], Array("x\0y".utf8)])
        let expected =
            Array("-ERR unknown command 'a  +OK  ".utf8) + [0xff]
            + Array("', with args beginning with: '".utf8) + [0x80, 32, 32] + Array("' 'x' \r\n".utf8)
        #expect(reply == expected)
    }

    @Test func cutsQuotedArgumentsAt128Bytes() throws {
        let bench = try CommandBench()
        let long = String(repeating: "x", count: 200)
        #expect(
            bench.run("\(long) \(long) \(long)")
                == "-ERR unknown command '\(long.prefix(128))', with args beginning with: '\(long.prefix(128))' |")
        // 'yyy' with its quotes and space takes six, so 122 of the next are left
        #expect(
            bench.run("FOO yyy \(long)")
                == "-ERR unknown command 'FOO', with args beginning with: 'yyy' '\(long.prefix(122))' |")
    }

    @Test func storesNothingOfACommandThatIsRefusedInItsMiddle() throws {
        let bench = try CommandBench()
        let long = String(repeating: "x", count: 11_000)
        #expect(bench.run("MSET a 1 b \(long)").hasPrefix("-TOOLARGE "))
        #expect(bench.run("EXISTS a b") == ":0|")
        #expect(bench.run("SET a 1") == "+OK|")
        #expect(bench.run("SET a \(long) GET").hasPrefix("-TOOLARGE "))
        #expect(bench.run("GET a") == "$1|1|")
    }

    @Test func closesOnHTTP() throws {
        let bench = try CommandBench()
        #expect(bench.run("POST / HTTP/1.1") == "")
        #expect(bench.session.aborts)
    }

    @Test func repliesModeIsKept() throws {
        let bench = try CommandBench()
        #expect(bench.run("CLIENT REPLY SKIP") == "")
        #expect(bench.session.replyMode == .skipNext)
        #expect(bench.run("CLIENT REPLY OFF") == "")
        #expect(bench.session.replyMode == .off)
        #expect(bench.run("CLIENT REPLY ON") == "+OK|")
        #expect(bench.session.replyMode == .on)
    }

    @Test func killsItself() throws {
        let bench = try CommandBench()
        #expect(bench.run("CLIENT KILL ID 7") == ":0|")
        #expect(bench.run("CLIENT KILL ID 7 SKIPME no") == ":1|")
        #expect(bench.session.closesAfterReply)
    }

    @Test func tellsAValueWithItsContext() throws {
        let bench = try CommandBench()
        let receipt = bench.run("MARTLET.PUT a 1 PXAT 1800000000000 DURABILITY none")
        #expect(receipt.hasPrefix("*16|$5|stamp|:"))
        _ = bench.run("HELLO 3")
        let reply = bench.run("MARTLET.GET a")
        #expect(reply.hasPrefix("%8|$5|value|$1|1|$7|context|$"))
        #expect(reply.contains("$7|expires|:1800000000000|$8|siblings|*1|%3|$5|value|$1|1|$5|stamp|:"))
        #expect(reply.hasSuffix("$8|answered|*1|$3|one|$9|stand_ins|:0|$5|epoch|:1|"))
    }
}
