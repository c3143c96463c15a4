public import MartletCore
public import MartletRuntime

/// What this node's own replica holds of one key, for a person who asks.
public struct ReplicaReport: Sendable {
    public enum Holding: Sendable, Equatable {
        case nothing
        case record
        /// The record is damaged: it counts as unknown and is repaired from others.
        case damaged
        case unreadable(String)
    }

    /// A written value of the record; of several, each unknown to the others.
    public struct Version: Sendable {
        public var dot: Dot
        public var stamp: UInt64
        public var isTombstone: Bool
        /// Milliseconds since 1970; nil if it does not expire.
        public var expiry: Int64?
        /// Bytes of the value, and of what is stored of it.
        public var length: Int
        public var storedLength: Int
    }

    /// Whether this node owns a replica of the key.
    public var isOwner: Bool
    /// Whether not holding it proves anything here.
    public var isCaughtUp: Bool
    public var holding: Holding
    public var level: ReadLevel
    /// Bytes of the record as stored; 0 without one.
    public var recordBytes = 0
    public var digest: UInt64 = 0
    public var context = VersionVector()
    public var versions: [Version] = []
}

extension ReplicaCoordinator {
    /// What this node's replica holds of a key of this worker, and where it was found.
    public func report(of key: [UInt8], keyspace: Int) async -> ReplicaReport {
        var located = ByteBuffer(capacity: 64)
        let hash = withBytes(of: key) { store.locate($0, keyspace: keyspace, into: &located) }
        let storedKey = located.copy()
        let slot = withBytes(of: key) { Slot.of($0) }
        var report = ReplicaReport(
            isOwner: true, isCaughtUp: true, holding: .nothing, level: .engine)
        if let replication {
            let settings = replication.membership.keyspaces[keyspace]
            let places = ReplicaPlaces(of: slot, in: settings, node: replication.membership.node)
            report.isOwner = places.own != nil
            report.isCaughtUp = replication.catchUp?.machine.isCaughtUp(slot: slot, keyspace: keyspace) != false
        }
        do throws(StorageError) {
            let (record, level) = try await trace(storedKey, hash)
            report.level = level
            if let record { describe(record, storedKey, in: &report) }
        } catch {
            report.holding = .unreadable(error.message)
        }
        return report
    }

    /// Reads a record where it lies, without taking it into the cache.
    private func trace(
        _ storedKey: [UInt8], _ hash: UInt64
    ) async throws(StorageError) -> (record: [UInt8]?, level: ReadLevel) {
        if !store.isInline {
            let cached = withBytes(of: storedKey) { key -> [UInt8]?? in
                guard let entry = store.table.find(key, hash: hash) ?? store.entryOfBulk(key, hash: hash),
                    !entry.isLoading, entry.loadError == nil
                else { return nil }
                var record: [UInt8]?
                _ = entry.withRecord { record = $0.array }
                return .some(record)
            }
            if let cached { return (cached, .recordCache) }
        }
        guard let reads = store.reads else { return try Self.read(storedKey, store.reader) }
        let result: Result<(record: [UInt8]?, level: ReadLevel), StorageError> = await withCheckedContinuation {
            continuation in
            reads.run { reader in
                let result = Result { () throws(StorageError) in try Self.read(storedKey, reader) }
                reader.refresh()
                continuation.resume(returning: result)
            }
        }
        return try result.get()
    }

    private static func read(
        _ storedKey: [UInt8], _ reader: any StorageReader
    ) throws(StorageError) -> (record: [UInt8]?, level: ReadLevel) {
        var record: [UInt8]?
        let (_, level) = try withBytes(of: storedKey) { key throws(StorageError) in
            try reader.readTracing(key) { record = $0.array }
        }
        return (record, level)
    }

    private func describe(_ bytes: [UInt8], _ storedKey: [UInt8], in report: inout ReplicaReport) {
        report.recordBytes = bytes.count
        report.holding = .damaged
        withBytes(of: storedKey) { key in
            withBytes(of: bytes) { record in
                guard let view = try? RecordView(record, storedKey: key),
                    let digest = try? store.digest(of: record, storedKey: key)
                else { return }
                report.holding = .record
                report.digest = digest
                report.context = view.versionVector(of: record)
                var siblings = RecordSiblings(view)
                while let (dot, sibling) = try? siblings.next(of: record) {
                    report.versions.append(
                        ReplicaReport.Version(
                            dot: dot, stamp: sibling.stamp, isTombstone: sibling.isTombstone,
                            expiry: sibling.expiry == .max ? nil : sibling.expiry, length: sibling.length,
                            storedLength: sibling.value.count))
                }
            }
        }
    }
}
