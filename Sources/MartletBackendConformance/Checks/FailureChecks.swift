internal import CPowerLoss
internal import Glibc
internal import MartletRuntime
internal import Testing

extension BackendCheck {
    static let failureChecks = [
        BackendCheck("a failed sync poisons the handle; reads go on", needs: .interposition) { context in
            try await FailureChecks.child(context, FailureChecks.Kind.sync)
        },
        BackendCheck("a failed write poisons the handle; reads go on", needs: .interposition) { context in
            try await FailureChecks.child(context, FailureChecks.Kind.write)
        },
        BackendCheck("writes refused for want of space are recoverable", needs: .interposition) { context in
            try await FailureChecks.child(context, FailureChecks.Kind.space)
        },
        BackendCheck("a full disk refuses, reads go on, space heals", needs: .durability) { context in
            try FailureChecks.fullDisk(context)
        },
    ]
}

enum FailureChecks {
    enum Kind: String, Sendable, Codable {
        case sync, write, space
    }

    static func child(_ context: CheckContext, _ kind: Kind) async throws {
        let workspace = try Workspace()
        let path = workspace["data"]
        let name = try SubjectName.of(context.subject)
        guard unsafe mkdir(path, 0o700) == 0 else { throw ConformanceFailure("cannot make \(path)") }
        await #expect(processExitsWith: .success) {
            [name = name as String, path = path as String, kind = kind as Kind] in
            try FailureChecks.fail(name, path, kind)
        }
        let open = try OpenBackend(context.subject, at: path)
        let found = try open.backend.contents()
        for pair in kept + (kind == .space ? later : []) where !found.contains(pair) {
            throw ConformanceFailure("reopened: \(shown(pair.key)) was acknowledged and is lost")
        }
        guard !found.contains(where: { $0.key == refused.key }) || kind == .sync else {
            throw ConformanceFailure("reopened: a batch that was refused is there")
        }
        try open.backend.put([3], [3], .always)
        try open.close()
    }

    private static let kept = (0..<20).map { Pair(key: [1, $0], value: Bytes(repeating: $0, count: 300)) }
    private static let refused = Pair(key: [2], value: [2])
    private static let later = [Pair(key: [4], value: [4])]

    /// In a child, since the calls of the whole process fail.
    static func fail(_ name: String, _ path: String, _ kind: Kind) throws {
        let subject = try SubjectName.find(name)
        guard unsafe power_loss_begin(path, power_loss_plan()) == 0 else {
            throw ConformanceFailure("cannot watch \(path)")
        }
        let open = try OpenBackend(subject, at: path)
        for pair in kept { try open.backend.put(pair.key, pair.value, .always) }
        switch kind {
        case .sync: power_loss_fail_syncs(EIO)
        case .write: power_loss_fail_writes(EIO)
        case .space: power_loss_fail_writes(ENOSPC)
        }
        let code: StorageError.Code = kind == .space ? .outOfSpace : .inputOutput
        try expectStorageError(code, "a write while the disk fails") {
            try open.backend.put(refused.key, refused.value, .always)
        }
        try expectReads(open)
        power_loss_fail_syncs(0)
        power_loss_fail_writes(0)
        if kind == .space {
            do {
                try healed(open, later[0])
                try open.close()
            } catch {
                // An engine whose own recovery met the full disk as well may have to be opened anew to write again.
                try? open.close()
                let again = try OpenBackend(subject, at: path)
                try again.backend.put(later[0].key, later[0].value, .always)
                try again.close()
            }
        } else {
            for durability in Durability.allCases {
                try expectStorageError(.poisoned, "a write after a failure, at \(durability.name)") {
                    try open.backend.put(refused.key, refused.value, durability)
                }
            }
            try expectStorageError(.poisoned, "a sync after a failure") { try open.backend.sync() }
            try expectReads(open)
            do { try open.close() } catch is StorageError {}  // it may say so once more
        }
    }

    private static func expectReads(_ open: OpenBackend) throws {
        let reader = try open.backend.makeReader()
        for pair in kept where try reader.value(pair.key) != pair.value {
            throw ConformanceFailure("after a failed write, \(shown(pair.key)) is not read")
        }
        let found = try open.backend.contents()
        for pair in kept where !found.contains(pair) {
            throw ConformanceFailure("after a failed write, \(shown(pair.key)) is not scanned")
        }
    }

    /// Space is back: a write succeeds, if not at once then soon.
    private static func healed(_ open: OpenBackend, _ pair: Pair) throws {
        for attempt in 0..<100 {
            do throws(StorageError) {
                try open.backend.put(pair.key, pair.value, .always)
                return
            } catch {
                guard error.code == .outOfSpace, attempt < 99 else {
                    throw ConformanceFailure("a write after space came back threw '\(error)'")
                }
                usleep(50_000)  // an engine may look for space again by a clock of its own
            }
        }
    }

    /// A real file system of 24 MiB; mounting one needs privileges, and without them the check says so and ends.
    static func fullDisk(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let disk = workspace["disk"]
        guard unsafe mkdir(disk, 0o700) == 0 else { throw ConformanceFailure("cannot make \(disk)") }
        guard unsafe mount("tmpfs", disk, "tmpfs", 0, "size=24m") == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            try Test.cancel("a small tmpfs cannot be mounted here (\(reason)): run as root to check a full disk")
        }
        defer { _ = unsafe umount2(disk, Int32(MNT_DETACH)) }
        try fill(disk + "/ballast", bytes: 10 << 20)
        let open = try OpenBackend(context.subject, at: disk + "/data")
        var model = Model()
        var isFull = false
        var random = context.random
        for index in 0..<3000 where !isFull {
            let key = Bytes("key \(index + 10_000)".utf8)
            let value = random.bytes(30_000 + index)  // no engine compresses these
            do throws(StorageError) {
                try open.backend.put(key, value, .always)
                model.put(key, value)
            } catch {
                guard error.code == .outOfSpace else {
                    throw ConformanceFailure("a write on a full disk threw '\(error)', not outOfSpace")
                }
                isFull = true
            }
        }
        guard isFull else { throw ConformanceFailure("90 MB were written to a disk of 24 MiB") }
        try model.expect(try open.backend.contents(), "on a full disk")
        let pair = Pair(key: [1], value: [1])
        for _ in 0..<3 {
            do { try open.backend.put([9], Bytes(repeating: 9, count: 200_000), .always) } catch {
                continue
            }
            model.put([9], Bytes(repeating: 9, count: 200_000))
        }
        _ = unsafe unlink(disk + "/ballast")
        try healed(open, pair)
        model.put(pair.key, pair.value)
        try model.expect(try open.backend.contents(), "after space came back")
        try open.close()
        let again = try OpenBackend(context.subject, at: disk + "/data")
        try model.expect(try again.backend.contents(), "after a full disk, reopened")
        try again.close()
    }

    private static func fill(_ path: String, bytes: Int) throws {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0, posix_fallocate(descriptor, 0, bytes) == 0 else {
            throw ConformanceFailure("cannot fill \(path)")
        }
        close(descriptor)
    }
}
