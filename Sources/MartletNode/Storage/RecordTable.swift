internal import MartletCore

/// A worker's record cache and pending table in one: open addressing by the stored key's hash, bounded by bytes.
///
/// Entries that are loading, pinned or not yet committed stay; of the others the clock's hand evicts those that were
/// not used since it last passed (GCLOCK with a small frequency, so that one scan does not flush what is used often).
struct RecordTable {
    /// An entry that ``ring`` holds, with its hash beside it: most lookups of absent keys touch nothing else.
    @safe
    private struct Slot {
        var hash: UInt64 = 0
        var entry: Unmanaged<RecordEntry>?
    }
    private var slots = Array(repeating: Slot(), count: 64)
    private var ring: [RecordEntry] = []
    private var hand = 0
    private(set) var byteCount = 0
    /// Keeps ``touch(_:)`` from being optimised away.
    private var touched: UInt64 = 0

    var count: Int { ring.count }

    /// The entry of a stored key. O(1) expected.
    func find(_ key: RawSpan, hash: UInt64) -> RecordEntry? {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while let candidate = unsafe slots[index].entry {
            if slots[index].hash == hash, unsafe candidate._withUnsafeGuaranteedRef({ $0.hasKey(key) }) {
                return unsafe candidate.takeUnretainedValue()
            }
            index = (index + 1) & mask
        }
        return nil
    }

    /// Reads what lookups of these hashes are about to read, the first step of each before the second of any: so many
    /// waits for memory overlap instead of adding up, which are most of a lookup's time in a big table.
    mutating func touch(_ hashes: [UInt64]) {
        let mask = slots.count - 1
        var found: UInt64 = 0
        for hash in hashes { found &+= slots[Int(truncatingIfNeeded: hash) & mask].hash }
        for hash in hashes {
            let slot = slots[Int(truncatingIfNeeded: hash) & mask]
            guard slot.hash == hash, let entry = unsafe slot.entry else { continue }
            unsafe entry._withUnsafeGuaranteedRef { found &+= $0.firstByte }
        }
        touched = found
    }

    /// Adds an entry that is not in the table.
    mutating func insert(_ entry: RecordEntry) {
        if (ring.count + 1) * 3 > slots.count * 2 { grow() }
        place(entry)
        entry.ringIndex = ring.count
        ring.append(entry)
        byteCount += entry.byteCount
    }

    /// Takes an entry's change of size into account; `before` is its ``RecordEntry/byteCount`` before the change.
    mutating func resized(_ entry: RecordEntry, from before: Int) { byteCount += entry.byteCount - before }

    mutating func remove(_ entry: RecordEntry) {
        let mask = slots.count - 1
        var hole = Int(truncatingIfNeeded: entry.hash) & mask
        while let candidate = unsafe slots[hole].entry {
            if unsafe candidate._withUnsafeGuaranteedRef({ $0 === entry }) { break }
            hole = (hole + 1) & mask
        }
        // Shift back what a probe would no longer reach past the hole.
        var next = (hole + 1) & mask
        while unsafe slots[next].entry != nil {
            let home = Int(truncatingIfNeeded: slots[next].hash) & mask
            if (next &- home) & mask >= (next &- hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        unsafe slots[hole].entry = nil
        let last = ring.removeLast()
        if last !== entry {
            ring[entry.ringIndex] = last
            last.ringIndex = entry.ringIndex
        }
        byteCount -= entry.byteCount
    }

    /// Evicts until at most `limit` bytes are held or all that remains is in use. Amortised O(evicted).
    mutating func evict(to limit: Int, committed: UInt64) {
        var spared = 0
        while byteCount > limit, spared < ring.count * 4, !ring.isEmpty {
            if hand >= ring.count { hand = 0 }
            let entry = ring[hand]
            if entry.isLoading || entry.pins > 0 || entry.pendingCommit > committed {
                spared += 4
                hand += 1
            } else if entry.frequency > 0, limit > 0 {
                entry.frequency -= 1
                spared += 1
                hand += 1
            } else {
                remove(entry)  // the ring's last entry takes its place under the hand
            }
        }
    }

    /// Removes every entry for which `isDropped` says so; O(count).
    mutating func removeAll(where isDropped: (RecordEntry) -> Bool) {
        for entry in ring.filter(isDropped) { remove(entry) }
    }

    func forEach(_ body: (RecordEntry) -> Void) { ring.forEach(body) }

    private mutating func place(_ entry: RecordEntry) {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: entry.hash) & mask
        while unsafe slots[index].entry != nil { index = (index + 1) & mask }
        unsafe slots[index] = Slot(hash: entry.hash, entry: .passUnretained(entry))
    }

    private mutating func grow() {
        slots = Array(repeating: Slot(), count: slots.count * 2)
        for entry in ring { place(entry) }
    }
}
