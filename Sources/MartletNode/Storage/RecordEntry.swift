internal import MartletCore
internal import MartletRuntime

/// What a worker holds in memory of one stored key above a backend: cached, waiting for its commit, or being loaded.
final class RecordEntry {
    let hash: UInt64
    /// The stored key, then the record.
    private var bytes: ByteBuffer
    private let keyLength: Int
    /// The backend holds nothing under this key, or a delete is on its way.
    private(set) var isAbsent = true
    /// A read of the backend is under way; the record is not known yet.
    var isLoading: Bool
    /// The backend could not read it; the record is unknown.
    var loadError: StorageError?
    /// Batches of commands that need it resident.
    var pins = 0
    /// The commit that makes the present state durable; a reply that shows this state waits for it.
    var pendingCommit: UInt64 = 0
    /// Uses lately, 0...3: what the eviction's hand spares.
    var frequency: UInt8 = 0
    /// Where it stands in the table's ring of entries, which the eviction's hand walks.
    var ringIndex = -1

    init(hash: UInt64, key: RawSpan, isLoading: Bool) {
        self.hash = hash
        self.isLoading = isLoading
        keyLength = key.byteCount
        bytes = ByteBuffer(capacity: key.byteCount)
        bytes.append(key)
    }

    /// Memory held, the object's own included.
    var byteCount: Int { bytes.capacity + 128 }

    func hasKey(_ key: RawSpan) -> Bool {
        key.byteCount == keyLength && bytes.withBytes(0..<keyLength) { $0.equals(key) }
    }

    /// Where the key begins: reading it brings key and record near.
    var firstByte: UInt64 { bytes.withBytes(0..<keyLength) { $0.byteCount > 0 ? UInt64($0.byte(0)) : 0 } }

    func withKey<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try bytes.withBytes(0..<keyLength, body)
    }

    /// Lends the record; false if there is none.
    func withRecord(_ body: (RawSpan) -> Void) -> Bool {
        guard !isAbsent else { return false }
        bytes.withBytes(keyLength..<bytes.count, body)
        return true
    }

    func store(_ record: RawSpan) {
        bytes.truncate(to: keyLength)
        bytes.append(record)
        isAbsent = false
    }

    func storeAbsence() {
        bytes.truncate(to: keyLength)
        isAbsent = true
    }
}
