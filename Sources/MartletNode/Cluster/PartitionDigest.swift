internal import MartletCore
public import MartletRuntime

/// What a node holds of one partition of a keyspace, in two numbers that are equal where the contents are.
public struct PartitionDigest: Sendable, Equatable {
    public var partition: Int
    /// Records, tombstones included.
    public var records: Int
    /// The sum of all records' digests, each hashed with its key: equal on nodes that hold the same, whatever their
    /// backends and the order in which it came.
    public var sum: UInt64

    public init(partition: Int, records: Int, sum: UInt64) {
        self.partition = partition
        self.records = records
        self.sum = sum
    }
}

extension Node {
    /// The digests of the partitions of a keyspace that this node owns, those without records left out.
    ///
    /// Of one moment, all workers' commits done. O(records), partition by partition, so that others get their turns.
    public func digests(keyspace: Int) async throws(StorageError) -> [PartitionDigest] {
        for replica in replicas { await replica.settled() }
        let membership = await coordinators[0].membership
        return try await replicas[0].digests(keyspace: keyspace, membership)
    }
}

extension Replica {
    fileprivate func digests(
        keyspace: Int, _ membership: ClusterMembership?
    ) async throws(StorageError) -> [PartitionDigest] {
        let state = store.keyspaces[keyspace]
        let snapshot = try store.backend.snapshot()
        var partitions = Array(0..<store.settings.partitions)
        if let membership {
            let ring = membership.keyspaces[keyspace].ring
            guard let own = ring.index(ofNode: membership.node) else { return [] }
            partitions = (0..<ring.partitions).filter { ring.place(of: own, inPartition: $0) != nil }
        }
        let width = Slot.count / (membership?.keyspaces[keyspace].ring.partitions ?? store.settings.partitions)
        var digests: [PartitionDigest] = []
        for partition in partitions {
            let stretch = DigestStretch(
                partition: partition, keyspace: state.settings.id, generation: state.generation,
                slots: partition * width..<(partition + 1) * width)
            let digest = try await read(stretch, snapshot)
            if digest.records > 0 { digests.append(digest) }
        }
        return digests
    }

    /// Runs off the loop where reads may block, else lets the loop have a turn between two partitions.
    private func read(
        _ stretch: DigestStretch, _ snapshot: any StorageSnapshot
    ) async throws(StorageError) -> PartitionDigest {
        guard let reads = store.reads else {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                loop.post { continuation.resume() }
            }
            return try stretch.digest(snapshot)
        }
        let result: Result<PartitionDigest, StorageError> = await withCheckedContinuation { continuation in
            reads.run { _ in
                continuation.resume(returning: Result { () throws(StorageError) in try stretch.digest(snapshot) })
            }
        }
        return try result.get()
    }
}

/// The stored keys of one partition.
private struct DigestStretch: Sendable {
    var partition: Int
    var keyspace: UInt32
    var generation: UInt32
    var slots: Range<Int>

    private func bound(_ slot: Int) -> [UInt8] {
        slot < Slot.count
            ? StoredKey.lowerBound(keyspace: keyspace, generation: generation, slot: UInt16(slot))
            : StoredKey.upperBound(keyspace: keyspace, generation: generation)
    }

    func digest(_ snapshot: any StorageSnapshot) throws(StorageError) -> PartitionDigest {
        var scratch = ByteBuffer()
        var digest = PartitionDigest(partition: partition, records: 0, sum: 0)
        try withBytes(of: bound(slots.lowerBound)) { lower throws(StorageError) in
            try withBytes(of: bound(slots.upperBound)) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { key, record in
                    digest.records += 1
                    digest.sum &+= XXH3.hash(key, seed: CatchUpStretch.digest(record, key, &scratch) ?? 0)
                    return .continue
                }
            }
        }
        return digest
    }
}
