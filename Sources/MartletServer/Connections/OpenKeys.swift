internal import MartletCore

/// Keys of a connection's commands whose replies wait for other nodes, by their hashes: a command that would not see
/// what an earlier one did, or that an earlier one could still see, waits until all before it are answered.
struct OpenKeys {
    private var read: [UInt64] = []
    private var forwarded: [UInt64] = []

    /// Keys looked through for each command.
    private static let limit = 256

    var isEmpty: Bool { read.isEmpty && forwarded.isEmpty }

    /// Whether a command that this node's replica runs at once comes too early.
    func holdsUp(_ hash: UInt64, isWrite: Bool) -> Bool {
        Self.contains(forwarded, hash) || isWrite && Self.contains(read, hash)
    }

    /// Whether a command that is handed to another node comes too early.
    func holdsUpForward(_ hash: UInt64) -> Bool { Self.contains(read, hash) || Self.contains(forwarded, hash) }

    private static func contains(_ hashes: [UInt64], _ hash: UInt64) -> Bool {
        !hashes.isEmpty && (hashes.count >= limit || hashes.contains(hash))
    }

    /// A read that may have to be run anew.
    mutating func addRead(_ hash: UInt64) {
        if read.count < Self.limit { read.append(hash) }
    }

    /// A command that another node runs.
    mutating func addForwarded(_ hash: UInt64) {
        if forwarded.count < Self.limit { forwarded.append(hash) }
    }

    /// No reply waits any more.
    mutating func removeAll() {
        read.removeAll(keepingCapacity: true)
        forwarded.removeAll(keepingCapacity: true)
    }
}
