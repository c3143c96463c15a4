internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// What the replicas of a key hold.
extension ClusterRequest {
    /// Asks all owners at once; what one answers is put into the reply as it comes.
    static func explain(_ key: [UInt8], _ node: Node, _ keyspace: Int, _ writer: inout ReplyWriter) async {
        let slot = withBytes(of: key) { Slot.of($0) }
        let coordinator = node.coordinators[withBytes(of: key) { node.worker(of: $0) }]
        let membership = await coordinator.membership
        let ring = membership?.keyspaces[keyspace].ring
        let own = membership?.node ?? node.settings.id
        let owners = ring?.owners(ofSlot: slot).map { ring?.members[$0].id ?? 0 } ?? [own]
        let others = owners.filter { $0 != own }
        let question = ForwardedCommand(
            keyspace: keyspace, version: writer.version, levels: (nil, nil),
            arguments: [Array("MARTLET.CLUSTER".utf8), Array("REPLICA".utf8), key])
        let answers = await coordinator.forward(question, toAll: others)
        writer.map(6)
        writer.bulk("key")
        withBytes(of: key) { writer.bulk($0) }
        writer.pair("keyspace", node.settings.keyspaces[keyspace].name)
        writer.pair("slot", Int(slot))
        writer.pair("partition", ring?.partition(ofSlot: slot) ?? Int(slot) * node.settings.partitions / Slot.count)
        writer.pair("asked", node.settings.name)
        writer.bulk("owners")
        writer.array(owners.count)
        for owner in owners {
            guard let place = others.firstIndex(of: owner) else {
                await replica(key, node, keyspace, &writer)
                continue
            }
            if let reply = answers[place], !reply.isEmpty {
                withBytes(of: reply) { writer.buffer.append($0) }
            } else {
                let name = ring?.members.first { $0.id == owner }?.name ?? ""
                silence(of: owner, named: name, answers[place], &writer)
            }
        }
    }

    /// What stands for an owner that did not answer: nil was not answered in time, an empty reply not even sent.
    private static func silence(
        of owner: UInt32, named name: String, _ reply: [UInt8]?, _ writer: inout ReplyWriter
    ) {
        writer.map(3)
        writer.pair("id", Int(owner))
        writer.pair("name", name)
        writer.pair("holds", reply == nil ? "no answer" : "cannot be reached")
    }

    /// What this node's own replica holds.
    static func replica(_ key: [UInt8], _ node: Node, _ keyspace: Int, _ writer: inout ReplyWriter) async {
        let coordinator = node.coordinators[withBytes(of: key) { node.worker(of: $0) }]
        let report = await coordinator.report(of: key, keyspace: keyspace)
        writer.map(12)
        writer.pair("id", Int(await coordinator.membership?.node ?? node.settings.id))
        writer.pair("name", node.settings.name)
        writer.pair("holds", report.text)
        writer.pair("backend", node.backend.properties.name)
        writer.pair("level", report.level.rawValue)
        writer.pair("incarnation", node.incarnation.hexadecimal)
        writer.pair("owner", report.isOwner)
        writer.pair("caught_up", report.isCaughtUp)
        writer.pair("record_bytes", report.recordBytes)
        writer.pair("digest", report.digest.hexadecimal)
        writer.bulk("context")
        writer.array(report.context.entries.count)
        for entry in report.context.entries {
            writer.bulk(Dot(actor: entry.actor, counter: entry.counter).text)
        }
        writer.bulk("versions")
        writer.array(report.versions.count)
        for version in report.versions { append(version, &writer) }
    }

    private static func append(_ version: ReplicaReport.Version, _ writer: inout ReplyWriter) {
        writer.map(7)
        writer.pair("dot", version.dot.text)
        writer.pair("stamp", Int(clamping: version.stamp))
        writer.pair("written_milliseconds", Int(version.stamp >> 16))
        writer.pair("tombstone", version.isTombstone)
        writer.pair("expires", orNull: version.expiry.map { Int($0) })
        writer.pair("bytes", version.length)
        writer.pair("stored_bytes", version.storedLength)
    }
}

extension ReplicaReport {
    fileprivate var text: String {
        switch holding {
        case .nothing: "nothing"
        case .record: versions.allSatisfy(\.isTombstone) ? "tombstone" : "record"
        case .damaged: "damaged"
        case .unreadable(let reason): "unreadable: \(reason)"
        }
    }
}

extension Dot {
    /// The node, its incarnation, the birth, and the counter: `2:9f3c…:10001:3`.
    fileprivate var text: String {
        "\(actor.node):\(actor.incarnation.hexadecimal):\(String(actor.birth, radix: 16)):\(counter)"
    }
}
