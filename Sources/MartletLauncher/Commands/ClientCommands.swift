internal import Glibc
internal import MartletClient
internal import MartletRuntime

/// What the commands that speak to a node share.
enum NodeCall {
    static let at = CommandLineOption("at", "HOST:PORT", "the node (default: 127.0.0.1:7001)")

    /// Connects, runs `body`, and turns an error into a line and an exit code.
    static func run(_ given: GivenOptions, _ body: (MartletClient) async throws(MartletError) -> Int32) async -> Int32 {
        let address = given["at"] ?? "127.0.0.1:7001"
        do throws(MartletError) {
            let client = try await MartletClient.connect(to: [address])
            let code: Int32
            do throws(MartletError) {
                code = try await body(client)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
            return code
        } catch {
            return tell(error, of: address)
        }
    }

    /// Says why a call to a node failed; the exit code for it.
    static func tell(_ error: MartletError, of address: String) -> Int32 {
        Terminal.error("martlet: \(address): \(error)")
        switch error.code {
        case .cannotConnect, .connectionLost: return ExitCode.cannotReach
        case .badArgument: return ExitCode.usage
        case .quorumNotMet: return ExitCode.quorumNotMet
        default: return ExitCode.failed
        }
    }
}

enum GetCommand: CommandLineCommand {
    static let name = "get"
    static let usage = "get KEY"
    static let purpose = "Print a value."
    static let details = "Code 4 if there is none.\n\nmartlet get greeting --at 127.0.0.1:7001"
    static let options = [NodeCall.at]
    static let operands = 1...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let key = MartletKey(given.operands[0])
        return await NodeCall.run(given) { client throws(MartletError) in
            guard let value = try await client.value(key, as: [UInt8].self) else {
                Terminal.error("(not found)")
                return ExitCode.notFound
            }
            Terminal.bytes(value + [10])
            return ExitCode.ok
        }
    }
}

enum PutCommand: CommandLineCommand {
    static let name = "put"
    static let usage = "put KEY VALUE"
    static let purpose = "Store a value."
    static let details = "martlet put greeting hello --durability always"
    static let options = [
        NodeCall.at, CommandLineOption("durability", "LEVEL", "none, interval or always (default: the node's)"),
    ]
    static let operands = 2...2

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let (key, value) = (MartletKey(given.operands[0]), given.operands[1])
        var durability: WriteDurability?
        if let word = given["durability"] {
            durability = WriteDurability(rawValue: word)
            guard durability != nil else {
                Terminal.error("martlet put: --durability is none, interval or always")
                return ExitCode.usage
            }
        }
        let level = durability
        return await NodeCall.run(given) { client throws(MartletError) in
            try await client.put(key, value, durability: level)
            return ExitCode.ok
        }
    }
}

enum DeleteCommand: CommandLineCommand {
    static let name = "del"
    static let usage = "del KEY"
    static let purpose = "Delete a value."
    static let details = "No error if there is none.\n\nmartlet del greeting"
    static let options = [NodeCall.at]
    static let operands = 1...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let key = MartletKey(given.operands[0])
        return await NodeCall.run(given) { client throws(MartletError) in
            try await client.delete(key)
            return ExitCode.ok
        }
    }
}

enum ScanCommand: CommandLineCommand {
    static let name = "scan"
    static let usage = "scan [PATTERN]"
    static let purpose = "Print the keys, one a line."
    static let details = "In no order that has a meaning.\n\nmartlet scan 'user:*'"
    static let options = [NodeCall.at]
    static let operands = 0...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let pattern = given.operands.first
        return await NodeCall.run(given) { client throws(MartletError) in
            var keys = client.scan(match: pattern).makeAsyncIterator()
            while let key = try await keys.next(isolation: nil) { Terminal.bytes(key.bytes + [10]) }
            return ExitCode.ok
        }
    }
}

enum PingCommand: CommandLineCommand {
    static let name = "ping"
    static let usage = "ping"
    static let purpose = "Ask a node for a sign of life."
    static let details = "martlet ping --at 127.0.0.1:7001"
    static let options = [NodeCall.at]
    static let operands = 0...0

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        await NodeCall.run(given) { client throws(MartletError) in
            try await client.ping()
            Terminal.line("PONG")
            return ExitCode.ok
        }
    }
}
