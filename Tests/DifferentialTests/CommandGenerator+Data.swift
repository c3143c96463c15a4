/// Commands over values and keys.
extension CommandGenerator {
    mutating func strings() -> Step {
        switch Int.random(in: 0..<17, using: &dice) {
        case 0, 1, 2: return step("get", [key()])
        case 3, 4, 5, 6: return set()
        case 7: return step("setnx", [key(), value()])
        case 8:
            return dice.one(in: 2)
                ? step("setex", [key(), instant(relative: true, milliseconds: false), value()])
                : step("psetex", [key(), instant(relative: true, milliseconds: true), value()])
        case 9: return step("getset", [key(), value()])
        case 10: return step("getdel", [key()])
        case 11: return step("getex", [key()] + (dice.one(in: 4) ? [] : deadline(allows: ["PERSIST"])))
        case 12: return step("mget", keyList())
        case 13: return step(dice.one(in: 3) ? "msetnx" : "mset", keyList().flatMap { [$0, value()] })
        case 14: return step("append", [key(), Array(value().prefix(60))])
        case 15: return step(dice.one(in: 4) ? "substr" : "getrange", [key(), number(), number()])
        default:
            return dice.one(in: 3)
                ? step("strlen", [key()])
                : step("setrange", [key(), dice.one(in: 2) ? offset() : number(), Array(value().prefix(60))])
        }
    }

    private mutating func offset() -> [UInt8] { Array("\(dice.number(0...2000))".utf8) }

    private mutating func set() -> Step {
        var arguments = [key(), value()]
        if dice.one(in: 2) {
            for _ in 0..<Int.random(in: 1...3, using: &dice) {
                arguments += deadline(allows: ["NX", "XX", "GET", "KEEPTTL", "nx", "xX", "get", "keepttl", "bogus"])
            }
        } else if dice.one(in: 4) {
            // what OBJECT tells of a value that SET has just stored; after APPEND, SETRANGE and INCRBYFLOAT Redis
            // remembers more than the bytes
            follow(with: step("object", [Array("encoding".utf8), arguments[0]]))
            if dice.one(in: 2) { follow(with: step("object", [Array("REFCOUNT".utf8), arguments[0]])) }
        }
        return step("set", arguments)
    }

    /// One of the words, or a deadline with its number, or without.
    private mutating func deadline(allows words: [String]) -> [[UInt8]] {
        if dice.one(in: 2) { return [Array(dice.pick(words).utf8)] }
        let name = dice.pick(["EX", "PX", "EXAT", "PXAT", "ex", "pXaT"])
        if dice.one(in: 15) { return [Array(name.utf8)] }
        let isRelative = name.utf8.count == 2
        return [Array(name.utf8), instant(relative: isRelative, milliseconds: name.lowercased().hasPrefix("p"))]
    }

    mutating func counters() -> Step {
        switch Int.random(in: 0..<6, using: &dice) {
        case 0: return step("incr", [key()])
        case 1: return step("decr", [key()])
        case 2: return step("incrby", [key(), number()])
        case 3: return step("decrby", [key(), number()])
        case 4: return step("incrbyfloat", [key(), number()])
        default: return step("incrbyfloat", [key(), float()])
        }
    }

    mutating func expiries() -> Step {
        switch Int.random(in: 0..<12, using: &dice) {
        case 0...5:
            let name = dice.pick(["expire", "pexpire", "expireat", "pexpireat"])
            var arguments = [
                key(), instant(relative: !name.hasSuffix("at"), milliseconds: name.hasPrefix("p")),
            ]
            if dice.one(in: 2) {
                for _ in 0..<Int.random(in: 1...2, using: &dice) {
                    arguments.append(Array(dice.pick(["NX", "XX", "GT", "LT", "gt", "bogus\r\n", "x\0y"]).utf8))
                }
            }
            return step(name, arguments)
        case 6: return step("ttl", [key()], .near(3))
        case 7: return step("pttl", [key()], .near(3000))
        case 8: return step("expiretime", [key()], .near(3))
        case 9: return step("pexpiretime", [key()], .near(3000))
        default: return step("persist", [key()])
        }
    }

    mutating func keys() -> Step {
        switch Int.random(in: 0..<16, using: &dice) {
        case 0, 1: return step("exists", keyList())
        case 2, 3: return step("del", keyList())
        case 4: return step("unlink", keyList())
        case 5: return step("touch", keyList())
        case 6: return step("type", [key()])
        case 7, 8: return step("rename", [key(), key()])
        case 9: return step("renamenx", [key(), key()])
        case 10, 11: return copy()
        case 12, 13: return step("keys", [pattern()], .unordered)
        case 14: return step("randomkey", [], .kind)
        default: return scan()
        }
    }

    private mutating func copy() -> Step {
        var arguments = [key(), key()]
        if dice.one(in: 2) {
            for _ in 0..<Int.random(in: 1...2, using: &dice) {
                arguments += dice.pick([
                    bytes("REPLACE"), bytes("replace"), bytes("DB", "0"), bytes("db", "1"), bytes("DB", "x"),
                    bytes("DB"),
                    bytes("bogus"), bytes("DB", "-1"), bytes("DB", "99999999999"),
                ])
            }
        }
        return step("copy", arguments)
    }

    private mutating func pattern() -> [UInt8] {
        if dice.one(in: 2) {
            return Array(
                dice.pick([
                    "*", "k*", "k?", "k[1-3]", "k[^1-3]", "*tag*", "{tag}?", "", "**", "*[", "[", "[^", "k\\1", "\\",
                    "a*s",
                    "*k*k*k*", "k[3-1]", "k[1-]", "*\\", "?*",
                ]).utf8)
        }
        return (0..<Int.random(in: 0...6, using: &dice)).map { _ in dice.pick(Array("*?[]^-\\k0129".utf8)) }
    }

    /// Only refused ones: cursors and the order of keys are each server's own.
    private mutating func scan() -> Step {
        dice.pick([
            step("scan", bytes("x")), step("scan", bytes("0", "COUNT", "0")), step("scan", bytes("0", "COUNT", "x")),
            step("scan", bytes("0", "MATCH")), step("scan", bytes("0", "bogus", "1")), step("scan", bytes("1x")),
            step("scan", bytes("18446744073709551616")), step("scan", bytes(" 1")), step("scan", bytes("0", "TYPE")),
        ])
    }
}
