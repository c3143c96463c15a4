internal import MartletCore
internal import MartletRuntime

extension CommitLog {
    /// Opens the log in a directory, or begins one in an empty directory, and brings an empty tree to what it holds:
    /// the newest complete snapshot and every batch after it, up to an interrupted write.
    ///
    /// - Throws: `corrupted`, naming file and offset, if anything else is missing or damaged; `incompatible` for a
    /// file of   another version; `inputOutput`.
    static func open(
        in directory: any LogDirectory, policy: Policy, into tree: inout Tree
    ) throws(StorageError) -> CommitLog {
        let names = try directory.names()
        let files = names.compactMap(LogFormat.parse)
        let snapshot = files.filter { $0.kind == .snapshot }.map(\.generation).max()
        let first = snapshot ?? 1
        let logs = files.filter { $0.kind == .log && $0.generation >= first }.map(\.generation).sorted()
        var sequence: UInt64 = 0
        if let snapshot { sequence = try SnapshotWriter.load(snapshot, from: directory, into: &tree) }

        guard let last = logs.last else {
            guard snapshot == nil else { throw missing(first, in: directory) }
            let (file, end) = try createLog(first, firstSequence: 0, in: directory)
            return CommitLog(
                directory: directory, policy: policy, file: file, generation: first, sequence: 0, end: end,
                logBytes: end, oldest: first)
        }
        var bytes = 0
        for (expected, generation) in zip(first..., logs) where expected != generation {
            throw missing(expected, in: directory)
        }
        for generation in logs.dropLast() {
            let file = try directory.open(LogFormat.name(.log, generation), create: false)
            defer { file.close() }
            bytes += try replay(file, generation, in: directory, &sequence, isLast: false, into: &tree)
        }
        let (file, end) = try openLast(last, mayBeNew: last != snapshot, in: directory, &sequence, into: &tree)
        try removeLeftovers(names, before: first, in: directory)
        return CommitLog(
            directory: directory, policy: policy, file: file, generation: last, sequence: sequence, end: end,
            logBytes: bytes + end, oldest: first)
    }

    private static func missing(_ generation: UInt64, in directory: any LogDirectory) -> StorageError {
        StorageError(.corrupted, "\(directory.path(LogFormat.name(.log, generation))): missing (offset 0)")
    }

    /// The log to go on with. Its tail is cut off if its writing was interrupted; what is left is synced, since it may
    /// have been read from memory that is not on stable storage yet.
    private static func openLast(
        _ generation: UInt64, mayBeNew: Bool, in directory: any LogDirectory, _ sequence: inout UInt64,
        into tree: inout Tree
    ) throws(StorageError) -> (any LogFile, Int) {
        let file = try directory.open(LogFormat.name(.log, generation), create: false)
        do throws(StorageError) {
            let size = try file.size()
            if mayBeNew, try isUnbegun(file, size) {  // its creation was interrupted, so no frame followed
                file.close()
                return try createLog(generation, firstSequence: sequence, in: directory)
            }
            let end = try replay(file, generation, in: directory, &sequence, isLast: true, into: &tree)
            if end < size { try file.truncate(to: end) }
            try file.sync()
            return (file, end)
        } catch {
            file.close()
            throw error
        }
    }

    /// Whether a log is shorter than its header, or as long but never written.
    private static func isUnbegun(_ file: any LogFile, _ size: Int) throws(StorageError) -> Bool {
        guard size == LogFormat.headerSize else { return size < LogFormat.headerSize }
        let bytes = try file.read(at: 0, count: size)
        return bytes.allSatisfy { $0 == 0 }
    }

    /// Applies a log's batches to the tree and answers where its intact part ends.
    private static func replay(
        _ file: any LogFile, _ generation: UInt64, in directory: any LogDirectory, _ sequence: inout UInt64,
        isLast: Bool, into tree: inout Tree
    ) throws(StorageError) -> Int {
        let path = directory.path(LogFormat.name(.log, generation))
        var reader = try FrameReader(file, kind: .log, generation: generation, path: path)
        guard reader.header.firstSequence == sequence else {
            throw StorageError(.corrupted, "\(path): does not follow what is before it (at offset 16)")
        }
        while true {
            let offset = reader.offset
            let damage = StorageError(.corrupted, "\(path): damaged at offset \(offset)")
            let expected = sequence
            let frame = try reader.next { frame, payload throws(StorageError) in
                guard frame.sequence == expected else { throw damage }
                do {
                    try LogFormat.replay(payload, operations: frame.operations, into: &tree)
                } catch { throw damage }
            }
            guard frame == nil else {
                sequence += 1
                continue
            }
            if reader.isAtEnd { return offset }
            guard isLast else { throw damage }
            if let proof = try reader.proofOfSync(after: sequence) {
                throw StorageError(
                    .corrupted, "\(path): damaged at offset \(offset), which the frame at \(proof) says was synced")
            }
            return offset
        }
    }

    /// Removes what a snapshot's completion left behind when it was interrupted.
    private static func removeLeftovers(
        _ names: [String], before first: UInt64, in directory: any LogDirectory
    ) throws(StorageError) {
        var removed = false
        for name in names {
            let aside = name.hasSuffix(SnapshotWriter.suffix) ? String(name.dropLast(SnapshotWriter.suffix.count)) : nil
            let isAside = aside.flatMap(LogFormat.parse)?.kind == .snapshot
            let isOld = LogFormat.parse(name).map { $0.generation < first } ?? false
            guard isAside || isOld else { continue }
            try directory.remove(name)
            removed = true
        }
        if removed { try directory.sync() }
    }
}
