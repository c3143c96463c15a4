internal import MartletConfiguration
internal import MartletCore
internal import MartletServer

/// libFuzzer's entry: the target is chosen by the environment variable `FUZZ_TARGET`, `resp` (default) or `yaml`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    FuzzTarget.chosen.run(bytes)
    return 0
}

/// What a fuzzer's bytes are given to. A target traps where its claim does not hold.
enum FuzzTarget: String {
    /// Clients' bytes: the commands found do not depend on how the bytes were cut on their way.
    case resp
    /// A cluster file: it is read or refused with lines that name a place.
    case yaml

    static let chosen = environmentVariable("FUZZ_TARGET").flatMap(FuzzTarget.init(rawValue:)) ?? .resp

    func run(_ bytes: [UInt8]) {
        switch self {
        case .resp: RESPTarget.run(bytes)
        case .yaml: YAMLTarget.run(bytes)
        }
    }
}

enum RESPTarget {
    /// A command's arguments, or the reply that ends the connection.
    enum Found: Equatable {
        case command([[UInt8]])
        case malformed(String)
    }

    static func run(_ bytes: [UInt8]) {
        let whole = commands(bytes, step: max(1, bytes.count))
        // The first byte chooses the size of the pieces as well; 1 is always tried.
        for step in [1, Int(bytes.first ?? 1) % 61 + 2] {
            precondition(commands(bytes, step: step) == whole, "pieces of \(step) bytes gave other commands")
        }
    }

    /// What a connection finds if the bytes come in pieces of `step`.
    private static func commands(_ bytes: [UInt8], step: Int) -> [Found] {
        var parser = RESPParser()
        var places: [Range<Int>] = []
        var found: [Found] = []
        var start = 0
        var arrived = 0
        while arrived < bytes.count {
            arrived = min(bytes.count, arrived + step)
            pieces: while start < arrived {
                let result = unsafe parser.next(bytes.span.bytes.extracting(0..<arrived), at: start, into: &places)
                switch result {
                case .incomplete: break pieces
                case .malformed(let reply):
                    found.append(.malformed(reply))
                    return found
                case .command(let end):
                    precondition(end > start && end <= arrived)
                    if !places.isEmpty { found.append(.command(places.map { Array(bytes[$0]) })) }
                    start = end
                case .inline(let end):
                    precondition(end > start && end <= arrived)
                    let inline = parser.inlineBytes
                    if !places.isEmpty { found.append(.command(places.map { Array(inline[$0]) })) }
                    start = end
                }
            }
        }
        return found
    }
}

enum YAMLTarget {
    static func run(_ bytes: [UInt8]) {
        do throws(ConfigurationFaults) {
            _ = try ClusterConfiguration.parse(bytes, file: "f", kinds: [])
            preconditionFailure("there is no backend to name")
        } catch {
            precondition(!error.faults.isEmpty)
            for fault in error.faults {
                precondition(fault.line >= 1 && !fault.description.utf8.contains(10), fault.description)
            }
        }
    }
}
