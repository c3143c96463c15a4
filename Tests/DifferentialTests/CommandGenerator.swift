/// Repeatable random numbers (SplitMix64).
struct Dice: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// True once in `n`.
    mutating func one(in n: Int) -> Bool { Int.random(in: 0..<n, using: &self) == 0 }

    mutating func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: 0..<choices.count, using: &self)] }

    mutating func number(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &self) }
}

/// A command, and how its replies are compared.
struct Step {
    var arguments: [[UInt8]]
    var comparison = Comparison.exact
    /// False for what CLIENT REPLY SKIP keeps silent.
    var isAnswered = true

    var description: String { arguments.map { Reply.show($0) }.joined(separator: " ") }
}

/// Random commands, valid and not, over a few keys, so that they meet each other's traces.
///
/// Instants are far in the past or in the future and differ by more than a stream takes, so that no answer hangs on the
/// moment it was asked.
struct CommandGenerator {
    var dice: Dice
    private var pending: [Step] = []

    init(seed: UInt64) { dice = Dice(seed: seed) }

    /// The next command of the stream.
    mutating func next() -> Step {
        if !pending.isEmpty { return pending.removeFirst() }
        var step = oneCommand()
        if dice.one(in: 30) { damage(&step) }
        if dice.one(in: 3) {  // any case will do
            step.arguments[0] = step.arguments[0].map { byte in
                byte >= 97 && byte <= 122 && dice.one(in: 2) ? byte - 32 : byte
            }
        }
        return step
    }

    private mutating func oneCommand() -> Step {
        switch Int.random(in: 0..<100, using: &dice) {
        case 0..<45: strings()
        case 45..<58: counters()
        case 58..<75: expiries()
        case 75..<88: keys()
        case 88..<96: connections()
        default: introspection()
        }
    }

    /// One argument too few or too many.
    private mutating func damage(_ step: inout Step) {
        // a whole-keyspace command, or one with state of its own, is left alone
        guard case .exact = step.comparison, step.isAnswered, pending.isEmpty else { return }
        // what is valid of these is each server's own
        let name = String(decoding: step.arguments[0], as: UTF8.self)
        guard !["command", "info", "scan", "config", "cluster", "client", "hello"].contains(name) else { return }
        if step.arguments.count > 1, dice.one(in: 2) {
            step.arguments.removeLast()
        } else {
            step.arguments.append(word())
        }
    }

    // MARK: Arguments

    static let keys: [[UInt8]] =
        (0..<6).map { Array("k\($0)".utf8) } + [
            [], [0, 255, 13, 10, 42], Array("{tag}1".utf8), Array("{tag}2".utf8), [UInt8](repeating: 107, count: 300),
            Array("a key with spaces".utf8),
        ]

    mutating func key() -> [UInt8] { dice.pick(Self.keys) }

    mutating func keyList() -> [[UInt8]] { (0..<Int.random(in: 1...5, using: &dice)).map { _ in key() } }

    mutating func value() -> [UInt8] {
        switch Int.random(in: 0..<10, using: &dice) {
        case 0..<4: return number()
        case 4: return float()
        case 5: return []
        case 6: return (0..<Int.random(in: 40...50, using: &dice)).map { _ in 120 }  // about embstr's limit
        case 7: return (0..<Int.random(in: 0...900, using: &dice)).map { _ in UInt8.random(in: 0...255, using: &dice) }
        default: return word()
        }
    }

    mutating func word() -> [UInt8] {
        Array(dice.pick(["foo", "Hello World", "NX", "nx", "ex", "\r\n", "\0", "é", "-", "*", "%s"]).utf8)
    }

    mutating func number() -> [UInt8] {
        if dice.one(in: 2) { return Array("\(dice.number(-20...20))".utf8) }
        return Array(
            dice.pick([
                "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809",
                "99999999999999999999", "007", "+5", " 5", "5 ", "", "-", "-0", "abc", "1e3", "3.0", "0x10", "9000",
                "1234567890123", "-1234567890123", "5\0", "18446744073709551615",
            ]).utf8)
    }

    mutating func float() -> [UInt8] {
        if dice.one(in: 3) { return Array("\(Double.random(in: -1000...1000, using: &dice))".utf8) }
        return Array(
            dice.pick([
                "0.1", "-0.1", "1e20", "1e-20", "1e300", "-1e300", "1e4900", "1e5000", "-1e-5000", "inf", "-inf", "nan",
                "0x1p3", "3.", ".5", "+1", "1.7976931348623157e308", "123456789.123456789", "  1", "1 ", "5e",
                "infinity",
            ]).utf8)
    }

    /// What is left of a value's life, or its end, in a command's unit: far ahead, past, or none at all.
    mutating func instant(relative: Bool, milliseconds: Bool) -> [UInt8] {
        switch Int.random(in: 0..<8, using: &dice) {
        case 0: return Array(dice.pick(["0", "-1", "-100", "-9223372036854775808", "-9223372036854775"]).utf8)
        case 1: return Array(dice.pick(["9223372036854775807", "9223372036854775", "9223372036854776"]).utf8)
        case 2: return Array(dice.pick(["abc", "", "1.5", "007", "99999999999999999999"]).utf8)
        case 3 where !relative: return Array("\(dice.number(1...1_000_000))".utf8)
        default:
            let seconds = dice.number(relative ? 100_000...1_000_000_000 : 3_000_000_000...4_000_000_000)
            return Array("\(milliseconds ? seconds * 1000 + dice.number(0...999) : seconds)".utf8)
        }
    }

    func step(_ name: String, _ arguments: [[UInt8]], _ comparison: Comparison = .exact) -> Step {
        Step(arguments: [Array(name.utf8)] + arguments, comparison: comparison)
    }

    func bytes(_ words: String...) -> [[UInt8]] { words.map { Array($0.utf8) } }

    /// Commands to follow the one that is returned.
    mutating func follow(with steps: Step...) { pending += steps }
}
