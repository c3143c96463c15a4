/// Commands about connection and server.
extension CommandGenerator {
    mutating func connections() -> Step {
        switch Int.random(in: 0..<16, using: &dice) {
        case 0: return dice.one(in: 2) ? step("ping", []) : step("ping", [value()])
        case 1: return step("echo", [value()])
        case 2, 3: return hello()
        case 4: return step("select", [dice.pick(bytes("0", "1", "-1", "x", "", "99999999999", "0 "))])
        case 5:
            return step("auth", dice.pick([bytes("x"), bytes("a", "b"), bytes("default", "x"), bytes("a", "b", "c")]))
        case 6: return step("reset", [])
        case 7: return step("client", bytes("getname"))
        case 8:
            return step("client", bytes("SETNAME") + [dice.one(in: 2) ? Array("n\(dice.number(0...9))".utf8) : word()])
        case 9: return step("client", dice.pick([bytes("id"), bytes("info"), bytes("list")]), .kind)
        case 10: return step("client", bytes("no-evict") + [dice.pick(bytes("on", "OFF", "x"))])
        case 11: return clientErrors()
        case 12: return silence()
        case 13: return step("client", bytes("reply", "on"))
        default: return unknown()
        }
    }

    private mutating func hello() -> Step {
        switch Int.random(in: 0..<8, using: &dice) {
        case 0: return step("hello", [], .exceptIdentifier)
        case 1: return step("hello", bytes("3", "SETNAME", "me"), .exceptIdentifier)
        case 2: return step("hello", bytes("2", "AUTH", "default", "x"), .exceptIdentifier)
        case 3:
            return step(
                "hello",
                dice.pick([
                    bytes("4"), bytes("1"), bytes("x"), bytes("3", "AUTH"), bytes("3", "AUTH", "a", "b"),
                    bytes("3", "SETNAME", "a b"), bytes("3", "bogus"), bytes("2", "SETNAME"),
                ]))
        default: return step("hello", bytes(dice.one(in: 2) ? "2" : "3"), .exceptIdentifier)
        }
    }

    private mutating func clientErrors() -> Step {
        step(
            "client",
            dice.pick([
                bytes("kill", "1.2.3.4:5"), bytes("kill", "id", "0"), bytes("kill", "id", "x"),
                bytes("kill", "id", "99999999999"), bytes("kill", "type", "bogus"), bytes("kill", "user", "nobody"),
                bytes("kill", "skipme", "maybe"), bytes("kill", "bogus", "x"), bytes("kill", "id"), bytes("list", "x"),
                bytes("kill", "addr", "1.2.3.4:5", "TYPE", "normal"), bytes("list", "type", "bogus"),
                bytes("list", "id", "x"), bytes("list", "id", "99999999999"), bytes("list", "type", "replica"),
                bytes("bogus"), bytes("id", "x"), bytes("reply", "bogus"), bytes("kill", "type", "pubsub", "id", "1"),
            ]))
    }

    /// CLIENT REPLY SKIP and what it silences, then something that is heard.
    private mutating func silence() -> Step {
        var skip = step("client", bytes("reply", "skip"))
        skip.isAnswered = false
        var silenced = dice.pick([step("get", [key()]), step("incr", [key()]), step("nosuch", []), step("get", [])])
        silenced.isAnswered = false
        follow(with: silenced, step("ping", []))
        return skip
    }

    private mutating func unknown() -> Step {
        let names = ["nosuch", "ge", "gett", "", "\r\n+OK", "get ", "client|id", "é", "martle"]
        if dice.one(in: 4) {
            let name = [UInt8](repeating: 110, count: Int.random(in: 100...300, using: &dice))
            return Step(arguments: [name] + (0..<4).map { _ in value() })
        }
        let arguments = (0..<Int.random(in: 0...4, using: &dice)).map { _ in value() }
        return step(dice.pick(names), arguments)
    }

    mutating func introspection() -> Step {
        switch Int.random(in: 0..<12, using: &dice) {
        case 0: return step("time", [], .kind)
        case 1: return step("info", dice.pick([[], bytes("server"), bytes("all")]), .kind)
        case 2: return step("info", bytes("nosuchsection"))
        case 3: return step("config", bytes("GET") + [dice.pick(bytes("save", "nosuch", "SAVE"))])
        case 4:
            return step(
                "config",
                dice.pick([bytes("set", "nosuch", "1"), bytes("set", "save"), bytes("resetstat"), bytes("x")]))
        case 5: return step("command", bytes("getkeys") + getKeys())
        case 6:
            return step(
                "command", bytes("info") + dice.pick([bytes("get"), bytes("getrange", "nosuch"), bytes("substr")]))
        case 7:
            return step(
                "command", dice.pick([bytes("list", "filterby", "x", "y"), bytes("docs", "nosuch"), bytes("x")]))
        case 8: return step("function", bytes("flush") + dice.pick([[], bytes("sync"), bytes("ASYNC"), bytes("x")]))
        case 9: return step("wait", dice.pick([bytes("0", "0"), bytes("0", "-1"), bytes("x", "0"), bytes("0", "x")]))
        case 10:
            return step(
                "object",
                dice.pick([bytes("help"), bytes("freq") + [key()], bytes("x"), bytes("encoding"), bytes("freq", "")]))
        default: return step("cluster", dice.pick([bytes("nosuch"), bytes("keyslot")]))
        }
    }

    private mutating func getKeys() -> [[UInt8]] {
        dice.pick([
            bytes("get", "a"), bytes("MSET", "a", "1", "b", "2"), bytes("mget", "a", "b"), bytes("ping", "x"),
            bytes("nosuch", "x"), bytes("get", "a", "b"), bytes("rename", "a", "b"), bytes("object", "encoding", "a"),
            bytes("set", "a", "b", "nx"), bytes("del", "a"), bytes("object", "x"), bytes("client", "id"),
        ])
    }
}
