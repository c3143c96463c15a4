#if canImport(FoundationEssentials)
    import struct FoundationEssentials.Date
#else
    import struct Foundation.Date
#endif

/// The commands that a client's calls become, and what their replies say.
protocol Dialect: Sendable {
    /// Whether servers know repeated writes by their token, and tell who owns what.
    var speaksMartlet: Bool { get }
    func get(_ key: MartletKey, _ level: Level?) -> Request
    func entry(from reply: Reply) throws(MartletError) -> Found?
    func put(_ key: MartletKey, _ value: [UInt8], _ options: WriteOptions) -> Request
    func delete(_ key: MartletKey, _ options: WriteOptions) -> Request
    func receipt(from reply: Reply) -> Receipt
}

/// What a read found of a key: nothing but a context where all was deleted.
struct Found {
    var context: CausalContext?
    /// The latest first.
    var siblings: [Sibling<[UInt8]>]
    var answeredBy: [String] = []
    var epoch: UInt64 = 0
}

/// What a write may say beside its key and value.
struct WriteOptions {
    var expiry: Expiry = .never
    var level: Level?
    var durability: WriteDurability?
    var context: CausalContext?
    var token: RetryToken
    var deadline: Duration?
}

extension Dialect {
    /// What an integer or a boolean says of whether there was a value.
    static func existed(_ reply: Reply) -> Bool? {
        switch reply {
        case .integer(let count): count > 0
        case .boolean(let existed): existed
        default: nil
        }
    }

    /// One page of keys from `cursor` on.
    func scan(_ cursor: String, match: String?, pageSize: Int, deadline: Duration?) -> Request {
        var command = CommandEncoder("SCAN")
        command.append(cursor)
        if let match {
            command.append("MATCH")
            command.append(match)
        }
        command.append("COUNT")
        command.append(Int64(pageSize))
        return Request(command: command.bytes, shape: .page, isWrite: false, deadline: deadline)
    }

    func ping() -> Request {
        Request(command: CommandEncoder("PING").bytes, shape: .simple, isWrite: false, deadline: nil)
    }
}

/// Martlet's own commands: values with context, durability and receipt.
struct MartletDialect: Dialect {
    let speaksMartlet = true

    func get(_ key: MartletKey, _ level: Level?) -> Request {
        var command = CommandEncoder("MARTLET.GET")
        command.append(key.bytes)
        Self.append(level, to: &command)
        return Request(command: command.bytes, shape: .mapOrNull, isWrite: false)
    }

    func entry(from reply: Reply) throws(MartletError) -> Found? {
        if reply == .null { return nil }
        guard let value = reply["value"] else {
            throw MartletError(.protocolViolation, .notApplied, "the reply to MARTLET.GET has no value")
        }
        var found = Found(context: Self.context(reply), siblings: [])
        if let siblings = reply["siblings"]?.elements {
            found.siblings = siblings.compactMap(Self.sibling)
        } else if value.bytes != nil {
            found.siblings = [reply].compactMap(Self.sibling)
        }
        found.answeredBy = reply["answered"]?.elements?.compactMap(\.text) ?? []
        found.epoch = UInt64(clamping: reply["epoch"]?.number ?? 0)
        return found
    }

    private static func sibling(_ reply: Reply) -> Sibling<[UInt8]>? {
        guard let bytes = reply["value"]?.bytes else { return nil }
        return Sibling(
            value: bytes, expires: date(reply["expires"]), stamp: UInt64(clamping: reply["stamp"]?.number ?? 0))
    }

    func put(_ key: MartletKey, _ value: [UInt8], _ options: WriteOptions) -> Request {
        var command = CommandEncoder("MARTLET.PUT")
        command.append(key.bytes)
        command.append(value)
        Self.append(options, to: &command)
        if let milliseconds = options.expiry.milliseconds {
            command.append("PX")
            command.append(milliseconds)
        }
        return Request(command: command.bytes, shape: .receipt, isWrite: true, deadline: options.deadline)
    }

    func delete(_ key: MartletKey, _ options: WriteOptions) -> Request {
        var command = CommandEncoder("MARTLET.DEL")
        command.append(key.bytes)
        Self.append(options, to: &command)
        return Request(command: command.bytes, shape: .receipt, isWrite: true, deadline: options.deadline)
    }

    /// Fields that a server does not tell stay at their defaults.
    func receipt(from reply: Reply) -> Receipt {
        var receipt = Receipt()
        receipt.context = Self.context(reply)
        receipt.stamp = UInt64(clamping: reply["stamp"]?.number ?? 0)
        receipt.existed = Self.existed(reply["existed"] ?? reply)
        receipt.acknowledgedBy = reply["acknowledged"]?.elements?.compactMap(\.text) ?? []
        receipt.hints = Int(clamping: reply["hints"]?.number ?? 0)
        receipt.durability = reply["durability"]?.text.flatMap(WriteDurability.init(rawValue:))
        receipt.epoch = UInt64(clamping: reply["epoch"]?.number ?? 0)
        receipt.siblingsLeft = Int(clamping: reply["siblings"]?.number ?? 0)
        return receipt
    }

    private static func append(_ options: WriteOptions, to command: inout CommandEncoder) {
        if let context = options.context {
            command.append("CONTEXT")
            command.append(context.bytes)
        }
        append(options.level, to: &command)
        if let durability = options.durability {
            command.append("DURABILITY")
            command.append(durability.rawValue)
        }
        command.append("TOKEN")
        command.append(options.token.bytes)
    }

    private static func append(_ level: Level?, to command: inout CommandEncoder) {
        guard let level else { return }
        command.append("LEVEL")
        command.append(level.name)
    }

    private static func context(_ reply: Reply) -> CausalContext? {
        guard let bytes = reply["context"]?.bytes, !bytes.isEmpty else { return nil }
        return CausalContext(bytes: bytes)
    }

    /// Milliseconds since 1970; what is no positive number stands for never.
    private static func date(_ reply: Reply?) -> Date? {
        guard let milliseconds = reply?.number, milliseconds > 0 else { return nil }
        return Date(timeIntervalSince1970: Double(milliseconds) / 1000)
    }
}

/// The commands of plain Redis, to try the client against it: no context, no receipt, no retry token.
struct RedisDialect: Dialect {
    let speaksMartlet = false

    func get(_ key: MartletKey, _ level: Level?) -> Request {
        var command = CommandEncoder("GET")
        command.append(key.bytes)
        return Request(command: command.bytes, shape: .bytesOrNull, isWrite: false)
    }

    func entry(from reply: Reply) -> Found? {
        reply.bytes.map { Found(siblings: [Sibling(value: $0, stamp: 0)]) }
    }

    func put(_ key: MartletKey, _ value: [UInt8], _ options: WriteOptions) -> Request {
        var command = CommandEncoder("SET")
        command.append(key.bytes)
        command.append(value)
        if let milliseconds = options.expiry.milliseconds {
            command.append("PX")
            command.append(milliseconds)
        }
        return Request(command: command.bytes, shape: .simple, isWrite: true, deadline: options.deadline)
    }

    func delete(_ key: MartletKey, _ options: WriteOptions) -> Request {
        var command = CommandEncoder("DEL")
        command.append(key.bytes)
        return Request(command: command.bytes, shape: .integer, isWrite: true, deadline: options.deadline)
    }

    func receipt(from reply: Reply) -> Receipt {
        var receipt = Receipt()
        receipt.existed = Self.existed(reply)
        return receipt
    }
}
