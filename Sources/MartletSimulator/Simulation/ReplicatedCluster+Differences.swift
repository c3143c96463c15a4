internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// What to read of replicas that have not become equal.
extension ReplicatedCluster {
    /// What each node says of its repairs.
    func standings() -> [String] {
        nodes.map { node in
            guard let known = node.running?.node.clusterStatistics else { return "node \(node.id) does not run" }
            let (catchUp, antiEntropy) = (known.catchUp, known.antiEntropy)
            return "node \(node.id): \(known.openLinks) links, \(catchUp.inNeed) partitions in need, "
                + "\(antiEntropy.incomplete) trees being made, \(antiEntropy.pending) to be compared, "
                + "\(antiEntropy.passes) passes, \(antiEntropy.failures) exchanges failed, \(known.hints.held) hints"
        }
    }

    public func standings(of key: [UInt8]) -> [String] {
        let holdings = allHeld().filter { $0.key.dropFirst(StoredKey.prefixLength).elementsEqual(key) }
        return standings()
            + holdings.flatMap { key, records in records.map { "node \($0) holds \(shown($1, key))" } }.sorted()
    }

    /// Of each key that owners hold differently, or not intact, what each holds; a few at most.
    func differences() -> [String] {
        let held = allHeld()
        let keys = held.keys.sorted { $0.lexicographicallyPrecedes($1) }
        return keys.compactMap { difference($0, held[$0] ?? [:]) }.prefix(4).map { $0 }
    }

    /// By stored key and node, the records in all backends.
    private func allHeld() -> [[UInt8]: [UInt32: [UInt8]]] {
        var held: [[UInt8]: [UInt32: [UInt8]]] = [:]
        for node in nodes {
            guard let snapshot = try? node.running?.node.backend.snapshot() else { continue }
            let (lower, upper) = ([StoredKey.Class.data.rawValue], [StoredKey.Class.data.rawValue + 1])
            _ = try? withBytes(of: lower) { lower throws(StorageError) in
                try withBytes(of: upper) { upper throws(StorageError) in
                    try snapshot.scan(from: lower, to: upper) { key, record in
                        held[key.array, default: [:]][node.id] = record.array
                        return .continue
                    }
                }
            }
        }
        return held
    }

    private func difference(_ key: [UInt8], _ records: [UInt32: [UInt8]]) -> String? {
        let slot = withBytes(of: key) { $0.bigEndian(9, as: UInt16.self) }
        let owners = ring.owners(ofSlot: slot).map { ring.members[$0].id }.sorted()
        let texts = owners.map { (id: $0, text: records[$0].map { shown($0, key) } ?? "nothing") }
        guard Set(texts.map(\.text)).count > 1 else { return nil }
        let name = String(decoding: key.dropFirst(StoredKey.prefixLength), as: UTF8.self)
        return "\(name) differs: " + texts.map { "node \($0.id) holds \($0.text)" }.joined(separator: "; ")
    }

    private func shown(_ record: [UInt8], _ key: [UInt8]) -> String {
        withBytes(of: record) { record in
            withBytes(of: key) { key in
                guard let view = try? RecordView(record, storedKey: key),
                    let digest = try? RecordDigest.digest(of: record, storedKey: key)
                else { return "a damaged record" }
                var cursor = ByteCursor(at: RecordFormat.headerLength)
                let context = (try? VersionVector(decoding: record, at: &cursor))?.entries ?? []
                let dots = context.map {
                    "\($0.actor.node).\($0.actor.incarnation % 1000).\($0.actor.birth):\($0.counter)"
                }
                return "\(view.siblingCount) siblings, stamp \(view.stamp), digest \(digest % 1_000_000), "
                    + "context \(dots.joined(separator: " "))"
            }
        }
    }
}
