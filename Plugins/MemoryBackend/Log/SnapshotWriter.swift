internal import MartletCore
internal import MartletRuntime

/// Writes a snapshot file from a frozen tree, a bounded number of bytes at a time.
///
/// It is written aside (`.new`), synced every mebibyte so that the last sync is short, and renamed when it is complete.
struct SnapshotWriter: ~Copyable {
    private let directory: any LogDirectory
    private let file: any LogFile
    private let generation: UInt64
    private var walk: Tree.Walk
    private var buffer: ByteBuffer
    private var frames: UInt64 = 0
    private var pairs: UInt64 = 0
    private var unsynced = 0
    private(set) var size = 0

    private var name: String { LogFormat.name(.snapshot, generation) }

    static let suffix = ".new"

    init(
        of root: Link, generation: UInt64, firstSequence: UInt64, in directory: any LogDirectory
    ) throws(StorageError) {
        let file = try directory.open(LogFormat.name(.snapshot, generation) + Self.suffix, create: true)
        self.directory = directory
        self.generation = generation
        self.file = file
        walk = withBytes(of: []) { Tree.Walk(below: root, from: $0) }
        buffer = ByteBuffer(capacity: 128 << 10)
        let header = LogFormat.Header(generation: generation, firstSequence: firstSequence)
        LogFormat.append(header, of: .snapshot, to: &buffer)
    }

    /// Writes about `budget` bytes; true once the snapshot is complete, durable and in its place.
    mutating func step(_ budget: Int) throws(StorageError) -> Bool {
        let limit = size + budget
        while size < limit {
            let start = LogFormat.beginFrame(in: &buffer)
            var operations = 0
            while buffer.count < 64 << 10, let leaf = walk.next() {
                leaf.withKey { key in
                    leaf.withValue { LogFormat.append(key, $0, isDelete: false, to: &buffer) }
                }
                operations += 1
            }
            pairs += UInt64(operations)
            if operations == 0 { buffer.append(littleEndian: pairs) }
            LogFormat.seal(
                &buffer, at: start, operations: operations, sequence: frames, synced: 0, generation: generation)
            frames += 1
            try flush()
            if operations == 0 {
                try finish()
                return true
            }
        }
        return false
    }

    private mutating func flush() throws(StorageError) {
        let at = size
        try buffer.withBytes { bytes throws(StorageError) in try file.write(bytes, at: at) }
        size += buffer.count
        unsynced += buffer.count
        buffer.removeAll()
        if unsynced >= 1 << 20 {
            unsynced = 0
            try file.sync()
        }
    }

    private func finish() throws(StorageError) {
        try file.sync()
        try directory.rename(name + Self.suffix, to: name)
        try directory.sync()
    }

    /// Closes the file. One that is not complete stays aside, to be removed.
    consuming func close() { file.close() }

    /// Loads a snapshot into an empty tree and answers the sequence that follows it.
    ///
    /// - Throws: `corrupted`, naming file and offset, if anything is not as it was written.
    static func load(
        _ generation: UInt64, from directory: any LogDirectory, into tree: inout Tree
    ) throws(StorageError) -> UInt64 {
        let name = LogFormat.name(.snapshot, generation)
        let path = directory.path(name)
        let file = try directory.open(name, create: false)
        defer { file.close() }
        var reader = try FrameReader(file, kind: .snapshot, generation: generation, path: path)
        var frames: UInt64 = 0
        while true {
            let offset = reader.offset
            let damage = StorageError(.corrupted, "\(path): the snapshot is damaged at offset \(offset)")
            let frame = try reader.next { frame, payload throws(StorageError) in
                guard frame.sequence == frames else { throw damage }
                if frame.operations == 0 {
                    guard payload.byteCount == 8, payload.littleEndian(0, as: UInt64.self) == UInt64(tree.count)
                    else { throw damage }
                    return
                }
                do {
                    try LogFormat.replay(payload, operations: frame.operations, into: &tree)
                } catch { throw damage }
            }
            guard let frame else { throw damage }
            frames += 1
            guard frame.operations == 0 else { continue }
            guard reader.isAtEnd else { throw damage }
            return reader.header.firstSequence
        }
    }
}
