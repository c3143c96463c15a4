internal import Glibc
internal import MartletCore
internal import MartletRuntime

/// The directory a commit log lives in. A seam, so that tests can lose power between any two of its calls.
protocol LogDirectory: Sendable {
    /// Names of all files, in no order.
    func names() throws(StorageError) -> [String]
    /// Opens a file; `create` makes it, or empties what is there.
    func open(_ name: String, create: Bool) throws(StorageError) -> any LogFile
    func rename(_ name: String, to target: String) throws(StorageError)
    func remove(_ name: String) throws(StorageError)
    /// Makes creations, renames and removals durable.
    func sync() throws(StorageError)
    /// What a person finds the file by.
    func path(_ name: String) -> String
    var bytesOnDisk: UInt64 { get }
}

/// An open file of a commit log.
protocol LogFile: Sendable {
    func size() throws(StorageError) -> Int
    /// Up to `count` bytes from `offset` on; fewer only at the end of the file.
    func read(at offset: Int, count: Int) throws(StorageError) -> [UInt8]
    /// Writes all of the bytes or throws; then any part of them may have been written.
    func write(_ bytes: RawSpan, at offset: Int) throws(StorageError)
    func truncate(to size: Int) throws(StorageError)
    /// Makes the contents durable. After a failure nothing is known of them; it is never tried again.
    func sync() throws(StorageError)
    func close()
}

/// A directory of the file system.
struct SystemLogDirectory: LogDirectory {
    let root: String

    init(root: String) { self.root = root }

    /// Makes a directory that must not exist yet.
    init(creating root: String) throws(StorageError) {
        guard unsafe mkdir(root, 0o700) == 0 else { throw SystemFile.failure("create directory", root) }
        try SystemFile.syncDirectory(of: root)
        self.root = root
    }

    func path(_ name: String) -> String { root + "/" + name }

    var bytesOnDisk: UInt64 { SystemFile.bytes(under: root) }

    func names() throws(StorageError) -> [String] {
        guard let directory = unsafe opendir(root) else { throw SystemFile.failure("list", root) }
        defer { unsafe closedir(directory) }
        var found: [String] = []
        while let entry = unsafe readdir(directory) {
            unsafe withUnsafeBytes(of: &entry.pointee.d_name) { field in
                found.append(unsafe String(decoding: field.prefix { $0 != 0 }, as: UTF8.self))
            }
        }
        return found
    }

    func open(_ name: String, create: Bool) throws(StorageError) -> any LogFile {
        let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_TRUNC : 0)
        let descriptor = unsafe Glibc.open(path(name), flags, 0o600)
        guard descriptor >= 0 else { throw SystemFile.failure(create ? "create" : "open", path(name)) }
        return SystemLogFile(descriptor: descriptor, path: path(name))
    }

    func rename(_ name: String, to target: String) throws(StorageError) {
        guard unsafe Glibc.rename(path(name), path(target)) == 0 else {
            throw SystemFile.failure("rename", path(name))
        }
    }

    func remove(_ name: String) throws(StorageError) {
        guard unsafe unlink(path(name)) == 0 else { throw SystemFile.failure("remove", path(name)) }
    }

    func sync() throws(StorageError) { try SystemFile.syncDirectory(of: path("log")) }
}

/// A file of the file system.
private struct SystemLogFile: LogFile {
    let descriptor: Int32
    let path: String

    func size() throws(StorageError) -> Int {
        var information = stat()
        guard unsafe fstat(descriptor, &information) == 0 else { throw SystemFile.failure("inspect", path) }
        return Int(information.st_size)
    }

    func read(at offset: Int, count: Int) throws(StorageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let read = unsafe bytes.withUnsafeMutableBytes { target in
                unsafe pread(descriptor, target.baseAddress! + done, count - done, off_t(offset + done))
            }
            if read < 0, errno == EINTR { continue }
            guard read >= 0 else { throw SystemFile.failure("read", path) }
            if read == 0 { break }
            done += read
        }
        bytes.removeLast(count - done)
        return bytes
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(StorageError) {
        var done = 0
        while done < bytes.byteCount {
            let written = unsafe bytes.withUnsafeBytes { source in
                unsafe pwrite(descriptor, source.baseAddress! + done, source.count - done, off_t(offset + done))
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw SystemFile.failure("write", path) }
            done += written
        }
    }

    func truncate(to size: Int) throws(StorageError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw SystemFile.failure("truncate", path) }
    }

    func sync() throws(StorageError) {
        guard fdatasync(descriptor) == 0 else { throw SystemFile.failure("sync", path) }
    }

    func close() { _ = Glibc.close(descriptor) }
}
