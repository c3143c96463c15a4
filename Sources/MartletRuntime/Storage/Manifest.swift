/// What a data directory says of itself, in the file `MANIFEST`: whose data it holds and in what state it was left.
///
/// The file is text, one `name: value` a line, replaced whole (write, sync, rename, sync the directory).
public struct Manifest: Sendable, Equatable {
    /// The layout of the directory and of stored keys and records.
    public static let currentFormat = 1

    public var format = Manifest.currentFormat
    public var backend: String
    public var cluster: String
    public var node: String
    /// The identity of this data set of the node; new at every start that was not proved clean.
    public var incarnation: UInt64 = 0
    /// The digest of the topology that the cluster was founded with.
    public var epochDigest: UInt64 = 0
    /// States that come and go: `clean` after an orderly close, an engine's own.
    public var marks: [String: String] = [:]

    public init(backend: String, cluster: String, node: String) {
        self.backend = backend
        self.cluster = cluster
        self.node = node
    }

    var text: String {
        var lines = [
            "format: \(format)", "backend: \(backend)", "cluster: \(cluster)", "node: \(node)",
            "incarnation: \(String(incarnation, radix: 16))", "epoch-digest: \(String(epochDigest, radix: 16))",
        ]
        for (name, value) in marks.sorted(by: { $0.key < $1.key }) { lines.append("mark \(name): \(value)") }
        return lines.joined(separator: "\n") + "\n"
    }

    init(parsing text: String, path: String) throws(StorageError) {
        var fields: [String: String] = [:]
        var marks: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.drop { $0 == " " } }
            guard parts.count == 2 else {
                throw StorageError(
                    .corrupted, "\(path): not a manifest: line '\(Log.escaped(String(line.prefix(80))))'")
            }
            if parts[0].hasPrefix("mark ") {
                marks[String(parts[0].dropFirst(5))] = String(parts[1])
            } else {
                fields[String(parts[0])] = String(parts[1])
            }
        }
        guard let backend = fields["backend"], let cluster = fields["cluster"], let node = fields["node"],
            let format = fields["format"].flatMap({ Int($0) }),
            let incarnation = fields["incarnation"].flatMap({ UInt64($0, radix: 16) }),
            let digest = fields["epoch-digest"].flatMap({ UInt64($0, radix: 16) })
        else { throw StorageError(.corrupted, "\(path): the manifest lacks a field or a number in it is not one") }
        self.init(backend: backend, cluster: cluster, node: node)
        self.format = format
        self.incarnation = incarnation
        epochDigest = digest
        self.marks = marks
    }
}
