internal import MartletCore
internal import MartletRuntime

/// Some of the hints that a worker holds for a node, as a walk over them finds them: runs off the loop where reads may
/// block.
struct HintPage: Sendable {
    var entries: [HintEntry] = []
    /// Of each entry the stored key and the record; empty where it is damaged or void, or only entries were asked for.
    var records: [(key: [UInt8], record: [UInt8])] = []
    /// Whether there are no more behind these.
    var isLast = true
}

/// What a walk over hints looks for.
struct HintScan: Sendable {
    /// Keys from here on, this one excluded unless it is empty, and below.
    var after: [UInt8] = []
    var lower: [UInt8]
    var upper: [UInt8]
    var entries: Int
    var bytes = Int.max
    var withRecords = true
    /// Which hints are this worker's.
    var worker: Int
    var workers: Int
    var partitions: Int
    /// By keyspace its id and the generation that hints of it have to be of.
    var keyspaces: [(id: UInt32, generation: UInt32)]

    /// O(hints of all workers between the first and the last of the page).
    func page(of snapshot: any StorageSnapshot) throws(StorageError) -> HintPage {
        var page = HintPage()
        var size = 0
        let from = after.isEmpty ? lower : after + [0]
        guard from.lexicographicallyPrecedes(upper) else { return page }
        try withBytes(of: from) { from throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try snapshot.scan(from: from, to: upper) { key, value in
                    guard isOwn(key) else { return .continue }
                    if !page.entries.isEmpty, page.entries.count >= entries || size + value.byteCount > bytes {
                        page.isLast = false
                        return .stop
                    }
                    size += key.byteCount + value.byteCount
                    add(key, value, to: &page)
                    return .continue
                }
            }
        }
        return page
    }

    private func isOwn(_ key: RawSpan) -> Bool {
        // What is shorter can be nobody's but the first worker's, which gives it up.
        guard workers > 1, key.byteCount >= Hint.prefixLength else { return worker == 0 }
        return Int(key.bigEndian(13, as: UInt16.self)) % Slot.count * partitions / Slot.count % workers == worker
    }

    private func add(_ key: RawSpan, _ value: RawSpan, to page: inout HintPage) {
        var entry = HintEntry(
            key: key.array, partition: 0, created: 0, sequence: 0, bytes: key.byteCount + value.byteCount)
        var record: (key: [UInt8], record: [UInt8]) = ([], [])
        if let read = try? Hint.read(key: key), let held = try? Hint.read(value: value, key: key) {
            (entry.created, entry.sequence) = (held.hint.created, held.hint.sequence)
            withBytes(of: read.storedKey) { storedKey in
                let (id, generation) = (
                    storedKey.bigEndian(1, as: UInt32.self), storedKey.bigEndian(5, as: UInt32.self)
                )
                let keyspace = keyspaces.firstIndex { $0.id == id }
                entry.isVoid = keyspace.map { keyspaces[$0].generation > generation } ?? true
                let slot = Int(storedKey.bigEndian(9, as: UInt16.self)) % Slot.count
                entry.partition = (keyspace ?? 0) * partitions + slot * partitions / Slot.count
                let bytes = value.extracting(held.record)
                entry.isDamaged = (try? RecordView(bytes, storedKey: storedKey)) == nil
                if withRecords, !entry.isDamaged, !entry.isVoid { record = (read.storedKey, bytes.array) }
            }
        } else {
            entry.isDamaged = true
            entry.partition = partitionOfDamaged(key)
        }
        page.entries.append(entry)
        page.records.append(record)
    }

    private func partitionOfDamaged(_ key: RawSpan) -> Int {
        guard key.byteCount >= Hint.prefixLength else { return 0 }
        let keyspace = keyspaces.firstIndex { $0.id == key.bigEndian(5, as: UInt32.self) } ?? 0
        return keyspace * partitions + Int(key.bigEndian(13, as: UInt16.self)) % Slot.count * partitions / Slot.count
    }
}

extension HintedHandoff {
    /// A walk over the hints for a node, or over all.
    func scan(
        of node: UInt32?, after: [UInt8], entries: Int, bytes: Int = .max, withRecords: Bool = false
    ) -> HintScan {
        let kind = StoredKey.Class.hint.rawValue
        let (lower, upper) = node.map { Hint.bounds(for: $0) } ?? ([kind], [kind + 1])
        return HintScan(
            after: after, lower: lower, upper: upper, entries: entries, bytes: bytes, withRecords: withRecords,
            worker: store.worker, workers: store.settings.workers, partitions: store.settings.partitions,
            keyspaces: store.keyspaces.map { ($0.settings.id, $0.generation) })
    }

    /// Runs a scan over what is committed, off the loop where reads may block; `done` hears the page in a later turn,
    /// nil if it could not be read.
    func run(_ scan: HintScan, _ done: @escaping @Sendable (HintedHandoff, HintPage?) -> Void) {
        let me = Confined(self, on: store.loop)
        let deliver: @Sendable (HintPage?) -> Void = { page in
            me.post { me in if !me.isStopped { done(me, page) } }
        }
        guard let snapshot = try? store.backend.snapshot() else { return deliver(nil) }
        guard let reads = store.reads else { return deliver(try? scan.page(of: snapshot)) }
        reads.run { _ in deliver(try? scan.page(of: snapshot)) }
    }
}
