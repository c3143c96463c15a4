internal import MartletCore
internal import MartletRuntime

/// Makes batches durable: a log of frames, cut short by snapshots of the tree. ``LogFormat`` has the files' layout.
///
/// A snapshot is taken in four steps, any of which may be the last before a crash: the log is synced and a new one
/// begun (whose frames follow what the snapshot holds); the snapshot is written aside while writes go on; it is
/// renamed; older files are removed. Recovery takes the newest snapshot that was renamed, then all logs from its
/// generation on.
///
/// A write for which there is no space is taken back and refused. Any other failed write or sync is final.
struct CommitLog: ~Copyable {
    /// When to take a snapshot: once the logs are longer than this, in bytes, plus `liveMultiple` times the live pairs.
    struct Policy: Sendable {
        var minimum = 64 << 20
        var liveMultiple = 1
    }

    let directory: any LogDirectory
    let policy: Policy
    var file: any LogFile
    /// Of the log that is appended to.
    var generation: UInt64
    var sequence: UInt64
    /// Where the next frame goes, and up to where the file is known to be on stable storage.
    var end: Int
    var synced: Int
    /// Bytes of all logs since the newest snapshot.
    var logBytes: Int
    /// Of the oldest log, which is that of the newest snapshot if there is one.
    var oldest: UInt64

    private var frame = ByteBuffer(capacity: 4096)
    private var writer: SnapshotWriter?
    private var root: Link?
    /// After a snapshot that failed for lack of space: the length of the logs at which to try again.
    private var retryAt = 0
    /// What made this handle refuse writes.
    private(set) var poison: StorageError?
    private(set) var bytesWritten: UInt64 = 0
    private(set) var syncs: UInt64 = 0
    private(set) var snapshots: UInt64 = 0

    init(
        directory: any LogDirectory, policy: Policy, file: any LogFile, generation: UInt64, sequence: UInt64, end: Int,
        logBytes: Int, oldest: UInt64
    ) {
        self.directory = directory
        self.policy = policy
        self.file = file
        self.generation = generation
        self.sequence = sequence
        self.end = end
        synced = end
        self.logBytes = logBytes
        self.oldest = oldest
    }

    /// Appends a batch as one frame and, if asked, syncs it. If it throws, the batch must not be applied.
    mutating func append(_ batch: borrowing WriteBatch, sync: Bool) throws(StorageError) {
        try check()
        guard batch.byteCount + batch.count * 16 <= Int(UInt32.max) else {
            throw StorageError(.tooLarge, "memory: a batch takes up to 4 GiB")
        }
        let start = LogFormat.beginFrame(in: &frame)
        defer { frame.removeAll() }
        func one(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) {
            LogFormat.append(key, value, isDelete: isDelete, to: &frame)
        }
        batch.forEach(one)
        try write(operations: batch.count, from: start)
        if sync { try self.sync() }
    }

    private mutating func write(operations: Int, from start: Int) throws(StorageError) {
        LogFormat.seal(
            &frame, at: start, operations: operations, sequence: sequence, synced: UInt64(synced),
            generation: generation)
        let (file, end) = (file, end)
        do {
            try frame.withBytes { bytes throws(StorageError) in try file.write(bytes, at: end) }
        } catch {
            guard error.code == .outOfSpace else { throw poisoned(by: error) }
            do { try file.truncate(to: end) } catch { throw poisoned(by: error) }
            throw error
        }
        self.end += frame.count
        logBytes += frame.count
        bytesWritten += UInt64(frame.count)
        sequence += 1
    }

    /// Makes all that was appended durable.
    mutating func sync() throws(StorageError) {
        try check()
        guard synced < end else { return }
        do { try file.sync() } catch { throw poisoned(by: error) }
        synced = end
        syncs += 1
    }

    private func check() throws(StorageError) {
        if let poison {
            throw StorageError(
                .poisoned, "an earlier write failed, writes are refused until a restart: \(poison.message)")
        }
    }

    private mutating func poisoned(by error: StorageError) -> StorageError {
        poison = error
        return error.code == .outOfSpace ? StorageError(.inputOutput, error.message) : error
    }
}

extension CommitLog {
    /// Whether it is time to begin a snapshot of a tree with so many bytes of pairs.
    func wantsSnapshot(live: Int) -> Bool {
        guard poison == nil, logBytes > policy.minimum, logBytes > retryAt else { return false }
        return writer == nil && logBytes - policy.minimum > live * policy.liveMultiple
    }

    var isWritingSnapshot: Bool { writer != nil }

    /// Begins a snapshot of `root`, which holds exactly what was appended so far and stays frozen until a later call
    /// answers it. Answers roots to release.
    mutating func beginSnapshot(_ root: Link) -> Link? {
        do throws(StorageError) {
            try sync()
            let (file, end) = try Self.createLog(generation + 1, firstSequence: sequence, in: directory)
            self.file.close()
            self.file = file
            self.end = end
            synced = end
            logBytes += end
            generation += 1
            self.root = root
            writer = try SnapshotWriter(of: root, generation: generation, firstSequence: sequence, in: directory)
            return nil
        } catch {
            self.root = root
            return abandon(error)
        }
    }

    /// Writes a part of the snapshot in progress, `appended` being what was appended since the last call: the snapshot
    /// goes on eight times as fast as the log grows. Answers the root to release once it is done, or was given up.
    mutating func continueSnapshot(appended: Int) -> Link? {
        guard let done = stepWriter(max(64 << 10, min(appended * 8, 1 << 20))) else { return nil }
        do throws(StorageError) {
            guard try done.get() else { return nil }
            endWriter()
            snapshots += 1
            logBytes = end
            retryAt = 0
            let previous = oldest
            oldest = generation
            for old in previous..<generation {
                if try directory.names().contains(LogFormat.name(.snapshot, old)) {
                    try directory.remove(LogFormat.name(.snapshot, old))
                }
                try directory.remove(LogFormat.name(.log, old))
            }
            try directory.sync()
            defer { root = nil }
            return root
        } catch {
            return abandon(error)
        }
    }

    /// One step of the writer, if there is one.
    private mutating func stepWriter(_ budget: Int) -> Result<Bool, StorageError>? {
        guard var writer = writer.take() else { return nil }
        let before = writer.size
        let result: Result<Bool, StorageError>
        do throws(StorageError) {
            result = .success(try writer.step(budget))
        } catch {
            result = .failure(error)
        }
        bytesWritten += UInt64(writer.size - before)
        self.writer = consume writer
        return result
    }

    private mutating func endWriter() {
        if let writer = writer.take() { writer.close() }
    }

    /// Gives up the snapshot in progress. For lack of space it is tried again later; any other failure is final.
    private mutating func abandon(_ error: StorageError?) -> Link? {
        if let error, error.code != .outOfSpace, poison == nil { poison = error }
        endWriter()
        retryAt = logBytes + policy.minimum
        try? directory.remove(LogFormat.name(.snapshot, generation) + SnapshotWriter.suffix)
        defer { root = nil }
        return root
    }

    /// Gives up a snapshot in progress and closes the files. Answers the root to release, and why data may be lost.
    ///
    /// What is synced is marked by an empty frame, so that damage to it is told from an interrupted write.
    mutating func close() -> (root: Link?, failure: StorageError?) {
        let root = writer == nil ? nil : abandon(nil)
        defer { file.close() }
        guard poison == nil else { return (root, nil) }
        do throws(StorageError) {
            try sync()
            let start = LogFormat.beginFrame(in: &frame)
            defer { frame.removeAll() }
            try write(operations: 0, from: start)
            try sync()
            return (root, nil)
        } catch {
            return (root, error.code == .outOfSpace ? nil : error)
        }
    }

    /// A new log with nothing in it, durable before it is used. One that fails is removed for good: as long as it is
    /// there, the log before it counts as complete.
    static func createLog(
        _ generation: UInt64, firstSequence: UInt64, in directory: any LogDirectory
    ) throws(StorageError) -> (file: any LogFile, end: Int) {
        let file = try directory.open(LogFormat.name(.log, generation), create: true)
        do throws(StorageError) {
            var header = ByteBuffer(capacity: LogFormat.headerSize)
            let values = LogFormat.Header(generation: generation, firstSequence: firstSequence)
            LogFormat.append(values, of: .log, to: &header)
            try header.withBytes { bytes throws(StorageError) in try file.write(bytes, at: 0) }
            try file.sync()
            try directory.sync()
            return (file, LogFormat.headerSize)
        } catch {
            file.close()
            do throws(StorageError) {
                try directory.remove(LogFormat.name(.log, generation))
                try directory.sync()
            } catch let second {
                throw StorageError(.inputOutput, "\(error.message); then \(second.message)")
            }
            throw error
        }
    }
}
