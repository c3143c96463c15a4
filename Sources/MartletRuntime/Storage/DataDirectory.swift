internal import Glibc

/// A node's data directory, locked for this process and with its manifest checked.
///
/// The lock is an `flock` on the file `LOCK` plus a table of the directories this process has open, since an `flock`
/// and LMDB both let one process open a directory twice. The directory is 0700, files are 0600.
public final class DataDirectory: Sendable {
    public let path: String
    /// Whether the directory held no manifest before this open.
    public let isNew: Bool
    private let lockDescriptor: Int32
    private let identity: String
    private let state: Lock<(manifest: Manifest, isOpen: Bool)>

    private static let open = Lock<Set<String>>([])

    public var manifest: Manifest { state.withLock { $0.manifest } }

    /// Opens `path`, creating it where it is missing, and checks that it belongs to `expected`.
    ///
    /// - Throws: `inUse` if it is open elsewhere, `wrongManifest` with the command that would help if backend, cluster,
    ///   node or format differ, `inputOutput` if the system refuses.
    public init(at path: String, expecting expected: Manifest) throws(StorageError) {
        self.path = path
        try Self.makeDirectories(path)
        let identity = try Self.canonical(path)
        self.identity = identity
        guard Self.open.withLock({ $0.insert(identity).inserted }) else {
            throw StorageError(.inUse, "\(path): in use by this process")
        }
        do throws(StorageError) {
            lockDescriptor = try Self.lockFile(in: path)
        } catch {
            Self.open.withLock { _ = $0.remove(identity) }
            throw error
        }
        do throws(StorageError) {
            let file = path + "/MANIFEST"
            if let text = try SystemFile.read(file) {
                let found = try Manifest(parsing: text, path: file)
                try Self.check(found, against: expected, path: path)
                isNew = false
                state = Lock((found, true))
            } else {
                isNew = true
                try SystemFile.replace(file, with: expected.text)
                state = Lock((expected, true))
            }
        } catch {
            Glibc.close(lockDescriptor)
            Self.open.withLock { _ = $0.remove(identity) }
            throw error
        }
    }

    deinit { close() }

    /// Changes the manifest and makes the change durable before it returns.
    public func update(_ change: @Sendable (inout Manifest) -> Void) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            guard state.isOpen else { throw StorageError(.closed, "\(path): the data directory is closed") }
            var changed = state.manifest
            change(&changed)
            guard changed != state.manifest else { return }
            try SystemFile.replace(path + "/MANIFEST", with: changed.text)
            state.manifest = changed
        }
    }

    /// Releases the lock. Safe to call twice.
    public func close() {
        let wasOpen = state.withLock { state in
            defer { state.isOpen = false }
            return state.isOpen
        }
        guard wasOpen else { return }
        // A child being spawned holds a copy of the descriptor until it execs; unlocking reaches every copy.
        flock(lockDescriptor, LOCK_UN)
        Glibc.close(lockDescriptor)
        Self.open.withLock { _ = $0.remove(identity) }
    }

    /// Bytes of all regular files in the directory and below.
    public var bytesOnDisk: UInt64 { SystemFile.bytes(under: path) }

    /// The random id the kernel drew at boot; a different one means the page cache was lost in between.
    public static var bootIdentifier: String {
        let text = try? SystemFile.read("/proc/sys/kernel/random/boot_id")
        return (text ?? "unknown").filter { $0 != "\n" }
    }

    private static func check(_ found: Manifest, against expected: Manifest, path: String) throws(StorageError) {
        let help = "start the node with its own directory (--data DIR), or move this one away: mv \(path) \(path).old"
        func refuse(_ what: String, _ theirs: String, _ ours: String) -> StorageError {
            StorageError(.wrongManifest, "\(path): holds data of \(what) '\(theirs)', not '\(ours)'; \(help)")
        }
        if found.format != expected.format { throw refuse("format", "\(found.format)", "\(expected.format)") }
        if found.backend != expected.backend { throw refuse("backend", found.backend, expected.backend) }
        if found.cluster != expected.cluster { throw refuse("cluster", found.cluster, expected.cluster) }
        if found.node != expected.node { throw refuse("node", found.node, expected.node) }
    }

    private static func lockFile(in path: String) throws(StorageError) -> Int32 {
        let file = path + "/LOCK"
        let descriptor = unsafe Glibc.open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemFile.failure("open", file) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let owner = (try? SystemFile.read(file)) ?? ""
            Glibc.close(descriptor)
            throw StorageError(.inUse, "\(path): in use by process \(owner.filter(\.isNumber))")
        }
        let text = "\(getpid())\n"
        _ = ftruncate(descriptor, 0)
        _ = unsafe pwrite(descriptor, text, text.utf8.count, 0)
        return descriptor
    }

    static func makeDirectories(_ path: String) throws(StorageError) {
        var built = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            built += "/" + part
            if unsafe mkdir(built, 0o700) == 0 {
                try SystemFile.syncDirectory(of: built)  // else its name may not survive what is synced below it
            } else if errno != EEXIST {
                throw SystemFile.failure("create directory", built)
            }
        }
    }

    private static func canonical(_ path: String) throws(StorageError) -> String {
        guard let resolved = unsafe realpath(path, nil) else { throw SystemFile.failure("resolve", path) }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }
}
