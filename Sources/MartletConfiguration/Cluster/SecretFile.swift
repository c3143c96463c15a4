internal import Glibc

/// The file that holds the cluster secret.
enum SecretFile {
    static let lengths = 16...4096

    /// Why a file does not do: what it is, and what is allowed.
    struct Refusal: Error {
        var allowed: String

        init(_ allowed: String) { self.allowed = allowed }
    }

    /// Where a path of the cluster file leads: relative ones begin where that file lies.
    static func resolve(_ path: String, besides file: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return file[...slash] + path
    }

    /// The secret, without line ends behind it.
    static func read(_ path: String) throws(Refusal) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw Refusal("a file that can be read: \(unsafe String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw Refusal("a plain file")
        }
        guard facts.st_mode & 0o177 == 0 else {
            throw Refusal("a file that nobody but its owner can read: chmod 600 it")
        }
        var bytes = [UInt8](repeating: 0, count: lengths.upperBound + 2)
        let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw Refusal("a file that can be read: \(unsafe String(cString: strerror(errno)))") }
        bytes.removeLast(bytes.count - count)
        while bytes.last == 10 || bytes.last == 13 { bytes.removeLast() }
        guard lengths.contains(bytes.count) else {
            throw Refusal("a file of \(lengths.lowerBound) to \(lengths.upperBound) bytes; this one has \(bytes.count)")
        }
        return bytes
    }
}
