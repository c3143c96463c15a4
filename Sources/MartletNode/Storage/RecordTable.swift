internal import MartletCore

/// A worker's record cache and pending table in one: open addressing by the stored key's hash, bounded by bytes.
///
/// Entries that are loading, pinned or not yet committed stay; of the others the clock's hand evicts those that were
/// not used since it last passed (GCLOCK with a small frequency, so that one scan does not flush what is used often).
struct RecordTable {
    private var slots: [RecordEntry?] = Array(repeating: nil, count: 64)
    private var ring: [RecordEntry] = []
    private var hand = 0
    private(set) var byteCount = 0

    var count: Int { ring.count }

    /// The entry of a stored key. O(1) expected.
    func find(_ key: RawSpan, hash: UInt64) -> RecordEntry? {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while let entry = slots[index] {
            if entry.hash == hash, entry.hasKey(key) { return entry }
            index = (index + 1) & mask
        }
        return nil
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
        while slots[hole] !== entry { hole = (hole + 1) & mask }
        // Shift back what a probe would no longer reach past the hole.
        var next = (hole + 1) & mask
        while let candidate = slots[next] {
            let home = Int(truncatingIfNeeded: candidate.hash) & mask
            if (next &- home) & mask >= (next &- hole) & mask {
                slots[hole] = candidate
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = nil
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
        while slots[index] != nil { index = (index + 1) & mask }
        slots[index] = entry
    }

    private mutating func grow() {
        slots = Array(repeating: nil, count: slots.count * 2)
        for entry in ring { place(entry) }
    }
}
