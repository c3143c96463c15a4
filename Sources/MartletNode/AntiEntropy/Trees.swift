internal import MartletCore
internal import MartletRuntime

/// What a worker's trees hold of one record.
enum TreeEntry {
    case none
    case digest(UInt64)
    /// A damaged record stood there, whose digest may be in the tree or not.
    case unknown

    var digest: UInt64? {
        if case .digest(let digest) = self { digest } else { nil }
    }
}

/// A worker's Merkle trees, kept up to date write by write: the old record's digest out, the new one's in.
///
/// A write costs ~70 ns for both digests, which are the records' checksums as a rule, and ~10 ns for the sums. Another
/// way, to mark what was written and read it anew when an exchange wants it, costs next to nothing a write, but a scan
/// of all leaves written since with every exchange, and finds differences wherever something was written between the
/// scans of two owners.
///
/// The trees say what the ``RecordTable`` and the backend hold together, commits on their way included.
final class Trees {
    private(set) var forest: MerkleForest
    private unowned let store: RecordStore
    /// By keyspace, the units by slot, -1 for none, and the shift from the one to the other.
    private let tables: [(shift: Int, units: [Int32])]
    /// What was written in the unit that is being scanned since its page was begun: by the stored key's hash.
    private var touched: [UInt64: (place: UInt64, digest: UInt64?)] = [:]
    private var touchedUnit = -1
    private let skipsBucket: Bool
    /// Hears of a record whose values are deleted, or will expire: by unit, from when on, in milliseconds since 1970.
    var onDead: ((_ unit: Int, _ since: Int64) -> Void)?
    /// Hears that a tree has to be made anew.
    var onForgotten: (() -> Void)?

    init(_ units: [CatchUpUnit], of store: RecordStore) {
        self.store = store
        forest = MerkleForest(units: units, isEmpty: store.start.isEmpty)
        skipsBucket = store.settings.plantedBugs.contains(.skipsBucket)
        var tables = Array(repeating: (shift: 14, units: [Int32(-1)]), count: store.keyspaces.count)
        for (index, unit) in units.enumerated() {
            if tables[unit.keyspace].shift == 14 {
                let shift = unit.slots.count.trailingZeroBitCount
                tables[unit.keyspace] = (shift, Array(repeating: -1, count: Slot.count >> shift))
            }
            tables[unit.keyspace].units[unit.slots.lowerBound >> tables[unit.keyspace].shift] = Int32(index)
        }
        self.tables = tables
        restore()
    }

    /// The unit that a slot lies in; nil if this worker does not own it. O(1).
    @inline(__always)
    func unit(ofSlot slot: Int, keyspace: Int) -> Int? {
        let index = tables[keyspace].units[slot >> tables[keyspace].shift]
        return index < 0 ? nil : Int(index)
    }

    // MARK: Writes

    /// What the trees hold of a record that was just checked.
    @inline(__always)
    func entry(of record: RawSpan, _ storedKey: RawSpan) -> TreeEntry {
        let digest = try? RecordDigest.digest(
            ofSound: record, storedKey: storedKey, scratch: &store.digestScratch
        ) { ValueCodec.unpack($0, $1, length: $2, into: &$3) }
        return digest.map { .digest($0) } ?? .unknown
    }

    /// Takes note of a record that was put in the place of another.
    func changed(_ storedKey: RawSpan, keyspace: Int, from former: TreeEntry, to record: RawSpan) {
        let place = StoredKey.place(of: storedKey)
        guard let unit = unit(ofSlot: Int(place >> 40), keyspace: keyspace) else { return }
        guard case .digest(let digest) = entry(of: record, storedKey) else { return forget(unit: unit) }
        if let since = RecordExpiry.deadSince(ofSound: record) { onDead?(unit, since) }
        if case .unknown = former { return forget(unit: unit) }
        guard !isSkipped(place) else { return }
        forest.update(unit, place: place, removing: former.digest, adding: digest)
        if unit == touchedUnit { touched[XXH3.hash(storedKey)] = (place, digest) }
    }

    /// Takes note that a record of that digest was erased.
    func erased(_ storedKey: RawSpan, keyspace: Int, digest: UInt64) {
        let place = StoredKey.place(of: storedKey)
        guard let unit = unit(ofSlot: Int(place >> 40), keyspace: keyspace), !isSkipped(place) else { return }
        forest.update(unit, place: place, removing: digest, adding: nil)
        if unit == touchedUnit { touched[XXH3.hash(storedKey)] = (place, nil) }
    }

    /// The planted bug: records of one range of hashes are in no tree.
    private func isSkipped(_ place: UInt64) -> Bool { skipsBucket && place >> 38 & 3 == 2 }

    /// Takes note of a change of which it is not known what was there before: the unit is scanned anew.
    func forget(_ storedKey: RawSpan, keyspace: Int) {
        let slot = Int(storedKey.bigEndian(9, as: UInt16.self))
        if let unit = unit(ofSlot: slot, keyspace: keyspace) { forget(unit: unit) }
    }

    func forget(keyspace: Int) {
        for unit in forest.units.indices where forest.units[unit].keyspace == keyspace { forget(unit: unit) }
    }

    /// A commit failed: what was written last is not there.
    func forgetAll() { for unit in forest.units.indices { forget(unit: unit) } }

    private func forget(unit: Int) {
        forest.invalidate(unit)
        if unit == touchedUnit { endPage() }
        onForgotten?()
    }

    // MARK: Scans

    /// The next unit whose tree is to be made; nil if all are whole and deep enough.
    func nextToScan(after unit: Int) -> Int? { forest.nextToScan(after: unit) }

    /// Begins to make a tree anew, beside the one that there is; the place at which the first page begins.
    func beginScan(_ unit: Int) -> UInt64 { forest.beginScan(unit) }

    /// From now on until the page is delivered, or given up, writes in the unit are noted: the snapshot that the page
    /// is read from may hold them or not.
    func beginPage(_ unit: Int) {
        touched = [:]
        touchedUnit = unit
    }

    func endPage() {
        touched = [:]
        touchedUnit = -1
    }

    /// Takes a page that was read since ``beginPage(_:)``; nil if the scan has to begin anew.
    func deliver(_ page: TreePage, _ unit: Int) -> MerkleForest.ScanStep? {
        guard touchedUnit == unit else { return nil }
        var entries: [(place: UInt64, digest: UInt64)] = []
        entries.reserveCapacity(page.entries.count)
        for entry in page.entries where !isSkipped(entry.place) {
            if touched.isEmpty {
                entries.append((entry.place, entry.digest))
            } else if let now = touched.removeValue(forKey: entry.keyHash) {
                if let digest = now.digest { entries.append((entry.place, digest)) }
            } else {
                entries.append((entry.place, entry.digest))
            }
        }
        // Records that the snapshot did not hold yet; those beyond the page the next one's does.
        let last = page.isLast ? UInt64.max : page.entries.last?.place ?? 0
        let late = touched.values.filter { $0.place <= last && $0.digest != nil }
        if !late.isEmpty {
            for entry in late { if let digest = entry.digest { entries.append((entry.place, digest)) } }
            entries.sort { ($0.place, $0.digest) < ($1.place, $1.digest) }
        }
        // What a page ends with tells the forest where the next begins.
        if !page.isLast, let last = page.entries.last?.place, entries.last?.place != last {
            entries.append((place: last, digest: 0))
        }
        endPage()
        return forest.scanned(unit, entries, isLast: page.isLast)
    }

    // MARK: Kept across an orderly stop

    private func key(_ unit: CatchUpUnit) -> [UInt8] {
        let state = store.keyspaces[unit.keyspace]
        return StoredKey.meta(
            "tree/\(state.settings.id)/\(state.generation)/\(unit.slots.lowerBound)/\(unit.slots.count)")
    }

    /// Takes the trees that a former run left, if it ended in order: then nothing was written since.
    private func restore() {
        guard !store.start.isVolatile, store.start.wasClosedInOrder, let snapshot = try? store.backend.snapshot() else {
            return
        }
        for (index, unit) in forest.units.enumerated() {
            var tree: MerkleTree?
            _ = try? withBytes(of: key(unit)) { key throws(StorageError) in
                try snapshot.read(key) { bytes in
                    var sequence: UInt64 = 0
                    tree = try? MerkleTree(bytes, sequence: &sequence)
                }
            }
            if let tree { _ = forest.restore(index, tree) }
        }
    }

    /// Puts the trees that are whole into the data set, and takes the former ones of others away.
    func keep(in batch: inout WriteBatch) {
        for (index, unit) in forest.units.enumerated() {
            withBytes(of: key(unit)) { key in
                guard let tree = forest.tree(index) else { return batch.delete(key) }
                var buffer = ByteBuffer()
                tree.append(to: &buffer, sequence: 0)
                buffer.withBytes { batch.put(key, $0) }
            }
        }
    }
}
