internal import MartletCore
internal import MartletRuntime

/// What a start found of a former run's data: what decides whether they can be trusted.
struct DataStart: Sendable {
    var isVolatile: Bool
    /// The former run ended in order, all it wrote synced.
    var wasClosedInOrder = false
    /// Nothing is stored.
    var isEmpty = true
    /// By worker, what the former run held for caught up.
    var marks: [Int: CatchUpMark] = [:]
    /// Whether this node ever took a write, whatever became of it.
    var served: ServedMark

    /// Under which a worker keeps its mark.
    static func markKey(worker: Int) -> [UInt8] { StoredKey.meta("caughtup/\(worker)") }
    /// Present from an orderly close to the next start, where no directory's manifest says so.
    static let closedKey = StoredKey.meta("closed")

    /// Whether a unit's data are whole: a run that synced all before it acknowledged loses nothing, whatever its end.
    func isWhole(_ unit: CatchUpUnit, ofKeyspace id: UInt32, worker: Int, of workers: Int) -> Bool {
        guard !isVolatile, let mark = marks[worker], mark.workers == workers,
            wasClosedInOrder || mark.durability == .always
        else { return false }
        return mark.covers(unit.slots, ofKeyspace: id)
    }
}

extension DataStart {
    /// Reads what a former run left in a backend, and takes back the word of its orderly close.
    ///
    /// - Parameter isClosed: what the manifest says; nil if there is none.
    init(
        reading backend: any StorageBackend, isClosed: Bool?, served: ServedMark
    ) throws(StorageError) {
        self.served = served
        isVolatile = backend.properties.isVolatile
        guard !isVolatile else { return }
        let snapshot = try backend.snapshot()
        var marks: [Int: CatchUpMark] = [:]
        try withBytes(of: StoredKey.meta("caughtup/")) { lower throws(StorageError) in
            try withBytes(of: StoredKey.meta("caughtup0")) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { _, value in
                    if let mark = try? CatchUpMark(value) { marks[mark.worker] = mark }
                    return .continue
                }
            }
        }
        // Of another number of workers: what they say may be older than what was lost since.
        if Set(marks.values.map(\.workers)).count == 1 { self.marks = marks }
        var isEmpty = true
        try withBytes(of: [StoredKey.Class.data.rawValue]) { lower throws(StorageError) in
            try withBytes(of: [StoredKey.Class.data.rawValue + 1]) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { _, _ in
                    isEmpty = false
                    return .stop
                }
            }
        }
        self.isEmpty = isEmpty
        guard let isClosed else {
            wasClosedInOrder = try withBytes(of: Self.closedKey) { key throws(StorageError) in
                try snapshot.read(key) { _ in }
            }
            if wasClosedInOrder {
                var batch = WriteBatch()
                withBytes(of: Self.closedKey) { batch.delete($0) }
                try backend.apply(batch, durability: backend.properties.maximumDurability)
            }
            return
        }
        wasClosedInOrder = isClosed
    }
}
