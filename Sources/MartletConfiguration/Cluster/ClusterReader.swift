internal import MartletCore
internal import MartletRuntime

/// Makes a configuration of a file's tree and gathers all faults on the way.
struct ClusterReader {
    let file: String
    let kinds: [BackendKind]
    var faults: [Fault] = []

    init(file: String, kinds: [BackendKind]) {
        self.file = file
        self.kinds = kinds
    }

    /// The configuration; nil, with faults, if there are any.
    mutating func cluster(_ root: YAMLNode) -> ClusterConfiguration? {
        var reader = MappingReader(
            root, file: file, path: "", known: Settings.cluster.map(\.name) + ["defaults", "keyspaces", "nodes"])
        let name = reader.text(Settings.cluster[0])
        if reader.node("cluster") == nil { reader.fault("cluster", "", "missing: " + Settings.cluster[0].allowed) }
        let partitions = reader.number(Settings.cluster[1])
        let secret = self.secret(&reader)
        let nodes = self.nodes(&reader, hasSecret: reader.node("secret_file") != nil)
        let centers = nodes.map(\.member.dataCenter)
        if partitions != nil || reader.node("partitions") == nil {
            check(partitions ?? Self.usualPartitions, for: centers, &reader)
        }
        let keyspaces = self.keyspaces(&reader, dataCenters: centers)
        faults += reader.faults
        guard faults.isEmpty, let name else { return nil }
        do throws(PlacementError) {
            let founding = try FoundingDescription(
                cluster: name, partitions: partitions ?? Self.usualPartitions, members: nodes.map(\.member),
                keyspaces: keyspaces.map(\.definition))
            return ClusterConfiguration(keyspaces: keyspaces, nodes: nodes, secret: secret, founding: founding)
        } catch {
            faults.append(Fault(file, reader.line, "", name, error.message))
            return nil
        }
    }

    static let usualPartitions = 256

    private func secret(_ reader: inout MappingReader) -> [UInt8]? {
        guard let path = reader.text(Settings.cluster[2]) else { return nil }
        do throws(SecretFile.Refusal) {
            return try SecretFile.read(SecretFile.resolve(path, besides: file))
        } catch {
            reader.fault("secret_file", path, error.allowed)
            return nil
        }
    }

    /// Asks the ring whether so many partitions serve so many nodes.
    private func check(_ partitions: Int, for dataCenters: [String], _ reader: inout MappingReader) {
        guard !dataCenters.isEmpty else { return }
        do throws(PlacementError) {
            _ = try Self.trial(dataCenters, partitions: partitions)
        } catch {
            reader.fault("partitions", "\(partitions)", error.message)
        }
    }

    /// A cluster of nodes without faults in these data centers: what it is refused for is the fault of the number of
    /// partitions or of the keyspace.
    static func trial(
        _ dataCenters: [String], partitions: Int = Slot.count,
        _ keyspace: KeyspaceDefinition = KeyspaceDefinition(id: 0, name: "trial", placement: .count(1))
    ) throws(PlacementError) -> FoundingDescription {
        let members = dataCenters.enumerated().map { index, center in
            Member(id: UInt32(index), name: "\(index)", dataCenter: center)
        }
        return try FoundingDescription(
            cluster: "trial", partitions: partitions, members: members, keyspaces: [keyspace])
    }
}
