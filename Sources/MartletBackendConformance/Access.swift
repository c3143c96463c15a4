internal import MartletCore
internal import MartletRuntime

/// The contract's calls with bytes that are owned, as checks hold them.
extension StorageBackend {
    func put(_ key: Bytes, _ value: Bytes, _ durability: Durability) throws(StorageError) {
        var batch = WriteBatch()
        batch.put(key, value)
        try apply(batch, durability: durability)
    }

    func delete(_ key: Bytes, _ durability: Durability) throws(StorageError) {
        var batch = WriteBatch()
        batch.delete(key)
        try apply(batch, durability: durability)
    }

    /// All pairs as a snapshot of now shows them.
    func contents() throws -> [Pair] { try snapshot().pairs() }
}

extension WriteBatch {
    mutating func put(_ key: Bytes, _ value: Bytes) {
        withBytes(of: key) { key in withBytes(of: value) { value in put(key, value) } }
    }

    mutating func delete(_ key: Bytes) {
        withBytes(of: key) { delete($0) }
    }
}

extension StorageReader {
    /// The value of a key, or nil. Fails if what `read` answers and whether it lent a value differ, or if a read that
    /// may not wait answers something else.
    func value(_ key: Bytes) throws -> Bytes? {
        let found = try value(key, of: read)
        var isDecided = true
        let quick = try value(key) { key, body throws(StorageError) in
            let answer = try readWithoutWaiting(key, body)
            isDecided = answer != nil
            return answer ?? false
        }
        if isDecided, quick != found {
            throw ConformanceFailure("a read without waiting answered \(shown(quick)), a read \(shown(found))")
        }
        return found
    }

    /// Says which keys are read next.
    func touch(_ keys: [Bytes]) {
        var ends: [Int] = []
        for key in keys { ends.append((ends.last ?? 0) + key.count) }
        withBytes(of: keys.flatMap { $0 }) { touch($0, ends: ends) }
    }

    private func value(
        _ key: Bytes, of read: (RawSpan, (RawSpan) -> Void) throws(StorageError) -> Bool
    ) throws -> Bytes? {
        var found: Bytes?
        var calls = 0
        let answer = try withBytes(of: key) { key throws(StorageError) in
            try read(key) { value in
                found = value.array
                calls += 1
            }
        }
        guard calls == (answer ? 1 : 0) else {
            throw ConformanceFailure("read answered \(answer) and lent a value \(calls) times")
        }
        return found
    }
}

extension StorageSnapshot {
    func value(_ key: Bytes) throws -> Bytes? {
        var found: Bytes?
        var calls = 0
        let answer = try withBytes(of: key) { key throws(StorageError) in
            try read(key) { value in
                found = value.array
                calls += 1
            }
        }
        guard calls == (answer ? 1 : 0) else {
            throw ConformanceFailure("a snapshot's read answered \(answer) and lent a value \(calls) times")
        }
        return found
    }

    /// The pairs from `lower` up to `upper`, at most `limit`.
    func pairs(from lower: Bytes = [], to upper: Bytes = [], limit: Int = .max) throws -> [Pair] {
        var found: [Pair] = []
        var hasStopped = false
        var callsAfterStop = 0
        guard limit > 0 else { return [] }
        try withBytes(of: lower) { lower throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try scan(from: lower, to: upper) { key, value in
                    if hasStopped { callsAfterStop += 1 }
                    found.append(Pair(key: key.array, value: value.array))
                    hasStopped = found.count >= limit
                    return hasStopped ? .stop : .continue
                }
            }
        }
        guard callsAfterStop == 0 else { throw ConformanceFailure("a scan went on after it was told to stop") }
        return found
    }
}

/// A key and its value.
struct Pair: Equatable, Sendable {
    var key: Bytes
    var value: Bytes
}

/// A few bytes as a failure's text shows them.
func shown(_ bytes: Bytes?) -> String {
    guard let bytes else { return "nothing" }
    let digits = bytes.prefix(24).map { byte in
        let text = String(byte, radix: 16)
        return text.count < 2 ? "0" + text : text
    }
    return "\(bytes.count) bytes \(digits.joined())\(bytes.count > 24 ? "..." : "")"
}
