import MartletCore
import MartletRuntime

@testable import MemoryBackend

/// A small generator with a seed, so that a failure can be run again.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// What the tree should hold: a dictionary, sorted when asked.
struct Reference: Equatable {
    var pairs: [[UInt8]: [UInt8]] = [:]

    var sorted: [Pair] {
        pairs.map { Pair(key: $0.key, value: $0.value) }.sorted { a, b in
            withBytes(of: a.key) { a in withBytes(of: b.key) { a.compare($0) < 0 } }
        }
    }

    func range(_ lower: [UInt8], _ upper: [UInt8]) -> [Pair] {
        sorted.filter { pair in
            !pair.key.lexicographicallyPrecedes(lower)
                && (upper.isEmpty || pair.key.lexicographicallyPrecedes(upper))
        }
    }
}

struct Pair: Equatable {
    var key: [UInt8]
    var value: [UInt8]
}

extension Tree {
    mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        withBytes(of: key) { key in withBytes(of: value) { put(key, $0) } }
    }

    mutating func remove(_ key: [UInt8]) -> Bool { withBytes(of: key) { remove($0) } }

    func value(_ key: [UInt8]) -> [UInt8]? { Tree.value(key, below: root) }

    static func value(_ key: [UInt8], below root: Link) -> [UInt8]? {
        withBytes(of: key) { find($0, below: root)?.withValue { $0.array } }
    }

    static func pairs(below root: Link, from lower: [UInt8] = [], to upper: [UInt8] = []) -> [Pair] {
        var found: [Pair] = []
        withBytes(of: lower) { lower in
            withBytes(of: upper) { upper in
                scan(below: root, from: lower, to: upper) { key, value in
                    found.append(Pair(key: key.array, value: value.array))
                    return .continue
                }
            }
        }
        return found
    }

    mutating func dispose() {
        removeAll()
        while reclaim(atMost: 16) {}
        destroy()
    }
}
