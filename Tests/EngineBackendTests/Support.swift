import Foundation
import Glibc
import MartletCore
import MartletRuntime
import Testing

/// A data directory of a test, removed with it.
final class Scratch {
    let path: String

    init(under parent: String? = nil) {
        var template = Array(((parent ?? "/tmp") + "/martlet-engine-XXXXXX").utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        precondition(made)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func directory(_ backend: String, _ name: String = "node") throws -> DataDirectory {
        try DataDirectory(
            at: path + "/" + name, expecting: Manifest(backend: backend, cluster: "tests", node: "one"))
    }
}

/// A small file system in memory, if this process may mount one.
final class TinyDisk {
    let path: String

    init?(bytes: Int) {
        var template = Array("/tmp/martlet-disk-XXXXXX".utf8CString)
        guard template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!) != nil }) else { return nil }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)") == 0 else {
            rmdir(path)
            return nil
        }
    }

    deinit {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }

    /// Whether this process may mount: as root outside a closed container.
    static let isPossible = TinyDisk(bytes: 1 << 20) != nil

    /// Fills the disk but for `free` bytes with a file of that name.
    func fill(_ name: String, leaving free: Int) {
        var figures = statvfs()
        precondition(statvfs(path, &figures) == 0)
        let size = Int(figures.f_bavail) * Int(figures.f_frsize) - free
        let file = open(path + "/" + name, O_WRONLY | O_CREAT, 0o600)
        precondition(file >= 0 && posix_fallocate(file, 0, size) == 0)
        close(file)
    }

    func remove(_ name: String) { unlink(path + "/" + name) }
}

/// Keys and values as arrays.
extension StorageBackend {
    func put(_ pairs: [([UInt8], [UInt8])], durability: Durability = .none) throws {
        var batch = WriteBatch()
        for (key, value) in pairs { batch.put(key.span.bytes, value.span.bytes) }
        try apply(batch, durability: durability)
    }

    func delete(_ keys: [[UInt8]], durability: Durability = .none) throws {
        var batch = WriteBatch()
        for key in keys { batch.delete(key.span.bytes) }
        try apply(batch, durability: durability)
    }

    func get(_ key: [UInt8]) throws -> [UInt8]? {
        try makeReader().get(key)
    }

    func counter(_ name: String) -> UInt64? {
        statistics().counters.first { $0.name == name }?.value
    }
}

extension StorageReader {
    func get(_ key: [UInt8]) throws -> [UInt8]? {
        var value: [UInt8]?
        let found = try read(key.span.bytes) { value = $0.array }
        #expect(found == (value != nil))
        return value
    }
}

extension StorageSnapshot {
    func pairs(from lower: [UInt8] = [], to upper: [UInt8] = []) throws -> [(key: [UInt8], value: [UInt8])] {
        var result: [(key: [UInt8], value: [UInt8])] = []
        try scan(from: lower.span.bytes, to: upper.span.bytes) { key, value in
            result.append((key.array, value.array))
            return .continue
        }
        return result
    }
}

/// The order of the contract: unsigned bytes, a prefix first.
func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }

/// A sequence that is the same in every run.
struct Sequence64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// In a process of its own: syncs of the open files whose names end so fail from now on, with EINVAL.
func failSyncs(ofFilesEndingIn suffix: String) -> Bool {
    var ends: [Int32] = [0, 0]
    precondition(pipe(&ends) == 0)
    var isFound = false
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
        let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name)
        guard let link, link.hasSuffix(suffix), let descriptor = Int32(name) else { continue }
        isFound = dup2(ends[1], descriptor) == descriptor || isFound
    }
    return isFound
}

/// In a process of its own: writes that make a file longer than `bytes` fail from now on with EFBIG.
func failWrites(beyond bytes: Int) {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
    precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
}
