internal import MartletCore
internal import MartletRuntime

/// Keys that a turn needs from the backend, read together on the storage thread; it moves there and back whole.
final class LoadBatch {
    private(set) var entries: [RecordEntry] = []
    private var keys = ByteBuffer(capacity: 1024)
    private var keyEnds: [Int] = []
    private var records = ByteBuffer(capacity: 4096)
    /// Where each entry's record lies; nil if the backend holds none.
    private var ranges: [Range<Int>?] = []
    private(set) var error: StorageError?

    var isEmpty: Bool { entries.isEmpty }

    func add(_ entry: RecordEntry) {
        entries.append(entry)
        entry.withKey { keys.append($0) }
        keyEnds.append(keys.count)
    }

    /// Reads all keys; runs on the storage thread.
    func read(from reader: any StorageReader) {
        defer { reader.refresh() }
        do throws(StorageError) {
            var start = 0
            for end in keyEnds {
                let before = records.count
                let found = try keys.withBytes(start..<end) { key throws(StorageError) in
                    try reader.read(key) { records.append($0) }
                }
                ranges.append(found ? before..<records.count : nil)
                start = end
            }
        } catch {
            self.error = error
        }
    }

    /// Hands each entry its record or its absence; runs on the worker's loop.
    func deliver(_ body: (RecordEntry, RawSpan?) -> Void) {
        for (index, entry) in entries.enumerated() {
            if error == nil, let range = ranges[index] {
                records.withBytes(range) { body(entry, $0) }
            } else {
                body(entry, nil)
            }
        }
    }
}
