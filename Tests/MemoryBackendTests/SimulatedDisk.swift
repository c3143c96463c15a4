import MartletCore
import MartletRuntime

@testable import MemoryBackend

/// A directory in memory that can fail at any call, and lose power: then any part of what was not synced is lost.
final class SimulatedDisk: LogDirectory {
    final class Node: Sendable {
        enum Change {
            case write(Int, [UInt8])
            case truncate(Int)
        }
        struct Contents: Sendable {
            var live: [UInt8] = []
            var durable: [UInt8] = []
            var pending: [Change] = []
        }
        let contents = Lock(Contents())
    }
    struct State {
        var live: [String: Node] = [:]
        /// What the directory was after each change that is not synced, oldest first, the synced state before them.
        var history: [[String: Node]] = [[:]]
        var calls = 0
        /// The call that fails, and how; every later one fails too if the power is gone.
        var failure: (call: Int, error: StorageError, isFinal: Bool)?
    }

    static let powerLoss = StorageError(.inputOutput, "the power is gone")
    let state = Lock(State())

    var calls: Int { state.withLock { $0.calls } }
    var bytesOnDisk: UInt64 { 0 }

    func fail(at call: Int, _ error: StorageError = powerLoss, isFinal: Bool = true) {
        state.withLock { $0.failure = (call, error, isFinal) }
    }

    /// Counts a call; true if it is the one that fails, which may have an effect by half.
    func count() throws(StorageError) -> StorageError? {
        try state.withLock { state throws(StorageError) in
            state.calls += 1
            guard let failure = state.failure else { return nil }
            if state.calls - 1 == failure.call { return failure.error }
            if failure.isFinal, state.calls - 1 > failure.call { throw failure.error }
            return nil
        }
    }

    /// The disk as it may be found after a power failure.
    func afterPowerLoss(_ generator: inout Seeded) -> SimulatedDisk {
        let disk = SimulatedDisk()
        let entries = state.withLock { $0.history[Int.random(in: 0..<$0.history.count, using: &generator)] }
        for (name, node) in entries.sorted(by: { $0.key < $1.key }) {
            var bytes = node.contents.withLock { $0.durable }
            for change in node.contents.withLock({ $0.pending }) {
                switch change {
                case .write(let offset, let written):
                    let kept = [0, written.count, Int.random(in: 0...written.count, using: &generator)]
                        .randomElement(using: &generator)!
                    guard kept > 0 else { continue }
                    bytes.write(written.prefix(kept), at: offset)
                case .truncate(let size):
                    if size < bytes.count, Bool.random(using: &generator) { bytes.removeLast(bytes.count - size) }
                }
            }
            disk.put(name, bytes)
        }
        return disk
    }

    func put(_ name: String, _ bytes: [UInt8]) {
        let node = Node()
        node.contents.withLock { contents in
            contents.live = bytes
            contents.durable = bytes
        }
        state.withLock { state in
            state.live[name] = node
            state.history = [state.live]
        }
    }

    func bytes(_ name: String) -> [UInt8]? {
        state.withLock { $0.live[name] }?.contents.withLock { $0.live }
    }

    func path(_ name: String) -> String { "disk/" + name }

    func names() throws(StorageError) -> [String] { state.withLock { Array($0.live.keys) } }

    func open(_ name: String, create: Bool) throws(StorageError) -> any LogFile {
        if let error = try count() { throw error }
        return try state.withLock { state throws(StorageError) in
            if let node = state.live[name] {
                if create {
                    node.contents.withLock { contents in
                        contents.live = []
                        contents.pending.append(.truncate(0))
                    }
                }
                return SimulatedFile(disk: self, node: node)
            }
            guard create else { throw StorageError(.inputOutput, "no file \(name)") }
            let node = Node()
            state.live[name] = node
            state.history.append(state.live)
            return SimulatedFile(disk: self, node: node)
        }
    }

    func rename(_ name: String, to target: String) throws(StorageError) {
        if let error = try count() { throw error }
        state.withLock { state in
            state.live[target] = state.live.removeValue(forKey: name)
            state.history.append(state.live)
        }
    }

    func remove(_ name: String) throws(StorageError) {
        if let error = try count() { throw error }
        state.withLock { state in
            state.live[name] = nil
            state.history.append(state.live)
        }
    }

    func sync() throws(StorageError) {
        if let error = try count() { throw error }
        state.withLock { $0.history = [$0.live] }
    }
}

private struct SimulatedFile: LogFile {
    let disk: SimulatedDisk
    let node: SimulatedDisk.Node

    func size() throws(StorageError) -> Int { node.contents.withLock { $0.live.count } }

    func read(at offset: Int, count: Int) throws(StorageError) -> [UInt8] {
        node.contents.withLock { Array($0.live.dropFirst(offset).prefix(count)) }
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(StorageError) {
        let error = try disk.count()
        let written = error == nil ? bytes.array : Array(bytes.array.prefix(bytes.byteCount / 2))
        node.contents.withLock { contents in
            contents.live.write(written[...], at: offset)
            contents.pending.append(.write(offset, written))
        }
        if let error { throw error }
    }

    func truncate(to size: Int) throws(StorageError) {
        if let error = try disk.count() { throw error }
        node.contents.withLock { contents in
            contents.live.removeLast(contents.live.count - size)
            contents.pending.append(.truncate(size))
        }
    }

    func sync() throws(StorageError) {
        if let error = try disk.count() { throw error }
        node.contents.withLock { contents in
            contents.durable = contents.live
            contents.pending = []
        }
    }

    func close() {}
}

extension [UInt8] {
    fileprivate mutating func write(_ bytes: ArraySlice<UInt8>, at offset: Int) {
        if count < offset + bytes.count { append(contentsOf: repeatElement(0, count: offset + bytes.count - count)) }
        replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
}
