internal import MartletClient
internal import MartletConfiguration
internal import MartletRuntime

/// `martlet cluster`: asks running nodes about their cluster.
enum ClusterCommand: CommandLineCommand {
    static let name = "cluster"
    static let usage = "cluster status|ring|nodes|explain KEY|digest|verify|repair"
    static let purpose = "Ask running nodes how their cluster is."
    static let details = """
        status       asks every node; what is wrong comes first
        nodes        the members and where they are reached
        ring         the owners of each range of slots, the first owner first
        explain KEY  what each owner of a key holds of it, and where it was found
        digest       compares what the owners of each partition hold
        verify       the same, and once more what differs: it may just be being written
        repair       has all owners compare what they hold and exchange what differs, now, then verifies

        Code 1 if something is wrong, 3 if the node asked cannot be reached, 4 if no owner holds the key, 5 if too few
        owners can be reached for the keyspace's reads or writes.

        martlet cluster status --at 127.0.0.1:7002
        martlet cluster explain greeting
        """
    static let options = [
        NodeCall.at, CommandLineOption("keyspace", "NUMBER", "the keyspace of ring, explain and digest (default: 0)"),
        CommandLineOption("partition", "NUMBER", "the one partition of repair and verify (default: all)"),
    ]
    static let operands = 1...2

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let topic = given.operands[0]
        guard given.operands.count == (topic == "explain" ? 2 : 1) else {
            Terminal.error("usage: martlet \(usage)")
            return ExitCode.usage
        }
        guard let keyspace = Int(given["keyspace"] ?? "0"), (0..<16).contains(keyspace) else {
            Terminal.error("martlet cluster: --keyspace is a number from 0 to 15")
            return ExitCode.usage
        }
        let partition = given["partition"].map { Int($0) ?? -1 }
        if let partition, !(topic == "repair" || topic == "verify") || !(0..<16384).contains(partition) {
            Terminal.error("martlet cluster: --partition is the number of one, for repair and verify")
            return ExitCode.usage
        }
        let inquiry = ClusterInquiry(at: given["at"] ?? "127.0.0.1:7001", keyspace: keyspace)
        do throws(MartletError) {
            switch topic {
            case "status": return tell(try await inquiry.status().report)
            case "nodes": return tell(try await inquiry.nodes())
            case "ring": return tell(try await inquiry.ring())
            case "explain": return tell(try await inquiry.explain(given.operands[1]))
            case "digest": return tell(try await inquiry.digests().report)
            case "verify": return tell(try await inquiry.verify(partition: partition))
            case "repair":
                var bar = ProgressBar()
                defer { bar.end() }
                return tell(try await inquiry.repair(partition: partition) { bar.show($0) })
            default:
                let topics = ["status", "nodes", "ring", "explain", "digest", "verify", "repair"]
                let hint = Nearest.hint(topic, topics)
                Terminal.error("martlet cluster: no '\(topic)'\(hint); see martlet cluster --help")
                return ExitCode.usage
            }
        } catch {
            return NodeCall.tell(error, of: inquiry.address)
        }
    }

    private static func tell(_ report: ClusterReport) -> Int32 {
        for line in report.lines { Terminal.line(line) }
        return report.code
    }
}

/// What is printed, and the exit code.
struct ClusterReport: Equatable {
    var lines: [String]
    var code: Int32

    /// Faults come first, then whatever there is.
    init(title: String, faults: [String], well: String?, code: Int32, _ tables: [[[String]]]) {
        lines = [title]
        lines += faults.map { "WRONG: " + $0 }
        if faults.isEmpty, let well { lines.append(well) }
        for rows in tables where rows.count > 1 {
            lines.append("")
            lines += TerminalTable.aligned(rows, left: rows[0].count).split(separator: "\n").map(String.init)
        }
        self.code = code
    }

    /// Something more is wrong.
    mutating func add(fault: String) {
        lines.insert("WRONG: " + fault, at: 1)
        code = max(code, ExitCode.failed)
    }
}
