import MartletCore
import MartletRuntime

@testable import MemoryBackend

/// Random batches, and the contents after each of them.
struct Workload {
    var batches: [[(key: [UInt8], value: [UInt8]?)]] = []
    /// `states[n]` is after n batches.
    var states = [Reference()]

    init(_ generator: inout Seeded, batches count: Int) {
        for index in 0..<count {
            var state = states[index]
            let batch: [(key: [UInt8], value: [UInt8]?)] = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                let key = (0..<Int.random(in: 0...2, using: &generator)).map { _ in
                    UInt8.random(in: 0...6, using: &generator)
                }
                let isDelete = Int.random(in: 0..<4, using: &generator) == 0
                let length = Int.random(in: 0...30, using: &generator)
                return (key, isDelete ? nil : [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: length))
            }
            for (key, value) in batch { state.pairs[key] = value }
            batches.append(batch)
            states.append(state)
        }
    }

    func apply(_ index: Int, to backend: any StorageBackend, _ durability: Durability) throws(StorageError) {
        var batch = WriteBatch()
        for (key, value) in batches[index] {
            withBytes(of: key) { key in
                if let value { withBytes(of: value) { batch.put(key, $0) } } else { batch.delete(key) }
            }
        }
        try backend.apply(batch, durability: durability)
    }
}

extension StorageBackend {
    var contents: Reference {
        get throws {
            let snapshot = try snapshot()
            var found = Reference()
            try withBytes(of: []) { empty in
                try snapshot.scan(from: empty, to: empty) { key, value in
                    found.pairs[key.array] = value.array
                    return .continue
                }
            }
            return found
        }
    }
}

extension MemoryBackend {
    static func open(on disk: SimulatedDisk, minimum: Int = 1 << 20) throws(StorageError) -> MemoryBackend {
        try MemoryBackend(
            capacity: 0, directory: disk, policy: CommitLog.Policy(minimum: minimum, liveMultiple: 1))
    }
}
