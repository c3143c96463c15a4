internal import Glibc

/// Small files of a data directory: read whole, replaced whole.
package enum SystemFile {
    /// The file's text, or nil if there is no such file. At most 1 MiB is read.
    package static func read(_ path: String) throws(StorageError) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("open", path)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < 1 << 20 {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("read", path)
            }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Replaces the file so that a crash leaves the old text or the new: write aside, sync, rename, sync the directory.
    package static func replace(_ path: String, with text: String) throws(StorageError) {
        let aside = path + ".new"
        let descriptor = unsafe open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("create", aside) }
        do throws(StorageError) {
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
                if count < 0 {
                    if errno == EINTR { continue }
                    throw failure("write", aside)
                }
                rest = rest.dropFirst(count)
            }
            guard fsync(descriptor) == 0 else { throw failure("sync", aside) }
        } catch {
            close(descriptor)
            throw error
        }
        close(descriptor)
        guard unsafe rename(aside, path) == 0 else { throw failure("rename", aside) }
        try syncDirectory(of: path)
    }

    /// Makes the entry of `path` in its directory durable.
    package static func syncDirectory(of path: String) throws(StorageError) {
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = unsafe open(parent.isEmpty ? "/" : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", parent) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync", parent) }
    }

    /// Bytes of all regular files below `path`; what cannot be read counts nothing.
    package static func bytes(under path: String) -> UInt64 {
        guard let directory = unsafe opendir(path) else { return 0 }
        defer { unsafe closedir(directory) }
        var total: UInt64 = 0
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { field in
                unsafe String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            var information = stat()
            guard unsafe lstat(path + "/" + name, &information) == 0 else { continue }
            if information.st_mode & S_IFMT == S_IFDIR {
                total += bytes(under: path + "/" + name)
            } else if information.st_mode & S_IFMT == S_IFREG {
                total += UInt64(information.st_blocks) * 512
            }
        }
        return total
    }

    /// The typed error of the system call that just failed. No space, and no quota, are `outOfSpace`.
    package static func failure(_ what: String, _ path: String) -> StorageError {
        let number = errno
        let reason = unsafe String(cString: strerror(number))
        let code: StorageError.Code = number == ENOSPC || number == EDQUOT ? .outOfSpace : .inputOutput
        return StorageError(code, "\(path): cannot \(what): \(reason)")
    }
}
