internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// A MARTLET.CLUSTER command on its way: it asks workers, and other nodes, and so takes many turns.
enum ClusterRequest: Sendable {
    case status
    case ring(keyspace: Int)
    case nodes
    case explain([UInt8])
    case replica([UInt8])
    case digest(keyspace: Int)
    case repair(keyspace: Int, partition: Int?)
    case latency

    /// Reads the command's arguments; nil if they are not well formed, and the error has been appended.
    init?(_ name: String, _ input: RawSpan, _ call: Invocation) {
        let words = (0..<call.count).map { input.extracting(call[$0]).array }
        let names = call.session.server.keyspaceNames
        guard let request = Self.make(name, words, call.session.keyspace, names) else {
            call.reply.error("ERR no such keyspace, or too many arguments")
            return nil
        }
        self = request
    }

    /// The request of a command that another node handed over; nil if it is none of these.
    init?(_ command: ForwardedCommand, keyspaces: [String]) {
        let words = command.arguments.map { String(decoding: $0.prefix(24), as: UTF8.self).lowercased() }
        guard words.count > 1, words[0] == "martlet.cluster",
            let request = Self.make("martlet.cluster|" + words[1], command.arguments, command.keyspace, keyspaces)
        else { return nil }
        self = request
    }

    private static func make(
        _ name: String, _ arguments: [[UInt8]], _ selected: Int, _ keyspaces: [String]
    ) -> ClusterRequest? {
        func keyspace(upTo limit: Int = 3) -> Int? {
            guard arguments.count > 2 else { return selected }
            guard arguments.count <= limit else { return nil }
            let text = String(decoding: arguments[2], as: UTF8.self)
            return keyspaces.firstIndex(of: text) ?? Int(text).flatMap { keyspaces.indices.contains($0) ? $0 : nil }
        }
        switch name {
        case "martlet.cluster|status": return .status
        case "martlet.cluster|ring": return keyspace().map { .ring(keyspace: $0) }
        case "martlet.cluster|nodes": return .nodes
        case "martlet.cluster|explain": return arguments.count == 3 ? .explain(arguments[2]) : nil
        case "martlet.cluster|replica": return arguments.count == 3 ? .replica(arguments[2]) : nil
        case "martlet.cluster|digest": return keyspace().map { .digest(keyspace: $0) }
        case "martlet.cluster|repair":
            guard let keyspace = keyspace(upTo: 4) else { return nil }
            guard arguments.count == 4 else { return .repair(keyspace: keyspace, partition: nil) }
            let text = String(decoding: arguments[3], as: UTF8.self)
            return Int(text).map { .repair(keyspace: keyspace, partition: $0) }
        case "martlet.cluster|latency": return .latency
        default: return nil
        }
    }

    /// Runs it; answers the encoded reply.
    ///
    /// - Parameter address: where clients reach this node.
    func reply(by node: Node, keyspace: Int, version: Int, facts: ServerIdentity) async -> [UInt8] {
        var writer = ReplyWriter(version: version)
        do throws(StorageError) {
            switch self {
            case .status: await Self.status(node, facts, &writer)
            case .ring(let keyspace): await Self.ring(node, keyspace, &writer)
            case .nodes: await Self.nodes(node, facts, &writer)
            case .explain(let key): await Self.explain(key, node, keyspace, &writer)
            case .replica(let key): await Self.replica(key, node, keyspace, &writer)
            case .digest(let keyspace): try await Self.digest(node, keyspace, &writer)
            case .repair(let keyspace, let partition): await Self.repair(node, keyspace, partition, &writer)
            case .latency: await Self.latency(node, &writer)
            }
        } catch {
            writer.buffer.removeAll()
            writer.error(TransactionFailure(error).reply)
        }
        return writer.buffer.copy()
    }

    private static func digest(
        _ node: Node, _ keyspace: Int, _ writer: inout ReplyWriter
    ) async throws(StorageError) {
        let digests = try await node.digests(keyspace: keyspace)
        writer.map(5)
        writer.pair("node", node.settings.name)
        writer.pair("keyspace", node.settings.keyspaces[keyspace].name)
        writer.pair("records", digests.reduce(0) { $0 + $1.records })
        writer.pair("digest", digests.reduce(0 as UInt64) { $0 &+ $1.sum }.hexadecimal)
        writer.bulk("partitions")
        writer.array(digests.count)
        for digest in digests {
            writer.array(3)
            writer.integer(digest.partition)
            writer.integer(digest.records)
            writer.bulk(digest.sum.hexadecimal)
        }
    }

    private static func repair(
        _ node: Node, _ keyspace: Int, _ partition: Int?, _ writer: inout ReplyWriter
    ) async {
        guard let begun = await node.repair(keyspace: keyspace, partition: partition) else {
            return writer.error("ERR no such partition")
        }
        writer.map(2)
        writer.pair("node", node.settings.name)
        writer.pair("comparisons", begun)
    }

    /// Histograms as they are, so that who asks can subtract what was there before and add up several nodes'.
    private static func latency(_ node: Node, _ writer: inout ReplyWriter) async {
        let latencies = await node.replicaLatencies()
        let membership = await node.coordinators[0].membership
        writer.array(latencies.count)
        for latency in latencies {
            writer.map(4)
            writer.pair("id", Int(latency.node))
            writer.pair("name", membership?.member(latency.node)?.member.name ?? "")
            for (name, histogram) in [("reads", latency.reads), ("writes", latency.writes)] {
                writer.bulk(name)
                let buckets = histogram.buckets
                writer.map(6)
                writer.pair("count", Int(clamping: histogram.count))
                writer.pair("p50_nanoseconds", Int(clamping: histogram.percentile(50)))
                writer.pair("p99_nanoseconds", Int(clamping: histogram.percentile(99)))
                writer.pair("p999_nanoseconds", Int(clamping: histogram.percentile(99.9)))
                writer.pair("max_nanoseconds", Int(clamping: histogram.maximum))
                writer.bulk("buckets")
                writer.array(buckets.count * 2)
                for bucket in buckets {
                    writer.integer(Int(clamping: bucket.nanoseconds))
                    writer.integer(Int(clamping: bucket.count))
                }
            }
        }
    }
}

/// What a reply says of this node that the node itself does not know.
struct ServerIdentity: Sendable {
    var address: SocketAddress
    var software: String
    /// Seconds since the server was opened.
    var uptime: Int64
}

extension ReplyWriter {
    mutating func pair(_ name: String, _ value: String) {
        bulk(name)
        bulk(value)
    }

    mutating func pair(_ name: String, _ value: Int) {
        bulk(name)
        integer(value)
    }

    mutating func pair(_ name: String, _ value: Bool) {
        bulk(name)
        boolean(value)
    }

    /// Null for what is not known.
    mutating func pair(_ name: String, orNull value: Int?) {
        bulk(name)
        if let value { integer(value) } else { null() }
    }
}

extension UInt64 {
    /// 16 hexadecimal digits.
    var hexadecimal: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
