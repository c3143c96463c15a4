internal import MartletCore

/// What a command needs of the replicas of its key, where there are several: whether it can begin with this node's own.
enum ReplicaUse: Sendable {
    /// Reads one key and does nothing else: this replica answers, others confirm.
    case reads(arity: Int)
    /// Writes one key whatever it holds: this replica takes the write, others are handed it.
    case overwrites(arity: Int)
    /// Reads before it writes, or has several keys: owners are asked first.
    case other

    init(_ command: Command) {
        self = .other
        guard case .keys(first: 1, let last, _) = command.shape, !command.name.hasPrefix("martlet.") else { return }
        if ["set", "setex", "psetex"].contains(command.name) {
            self = .overwrites(arity: command.arity)
        } else if command.flags.contains("readonly"), last == 1 || ["exists", "touch", "mget"].contains(command.name) {
            self = .reads(arity: command.arity)
        }
    }

    /// Whether a command writes the same whatever its key holds: a SET without options that look at it, a MARTLET.PUT.
    func overwrites(_ input: RawSpan, _ arguments: [Range<Int>]) -> Bool {
        guard let name = arguments.first else { return false }
        if input.extracting(name).isWord("martlet.put") { return true }
        guard case .overwrites(let arity) = self else { return false }
        return Self.overwrites(arity: arity, input, arguments)
    }

    private static func overwrites(arity: Int, _ input: RawSpan, _ arguments: [Range<Int>]) -> Bool {
        guard arity < 0, arguments.count != 3 else { return true }
        guard arguments.count == 5 else { return false }
        let option = input.extracting(arguments[3])
        guard option.byteCount > 1 else { return false }
        return [UInt8(ascii: "e"), UInt8(ascii: "p")].contains(option.byte(0) | 0x20)
    }

    /// Whether this very call is such: one key, and no option by which a SET would look at what is there.
    func holds(_ input: RawSpan, _ call: Invocation) -> Bool {
        switch self {
        case .other: return false
        case .reads(let arity): return arity > 0 || call.count == 2
        case .overwrites(let arity):
            return Self.overwrites(arity: arity, input, call.arguments)
        }
    }
}
