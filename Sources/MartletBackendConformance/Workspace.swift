internal import Glibc
internal import MartletCore
internal import MartletRuntime

typealias Bytes = [UInt8]

/// A temporary directory that a check's data sets lie in; removed with the last reference.
final class Workspace {
    let path: String

    init() throws {
        let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/martlet-conformance-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw ConformanceFailure("cannot make a directory in \(base)") }
        path = unsafe template.withUnsafeBytes { unsafe String(decoding: $0.dropLast(), as: UTF8.self) }
    }

    deinit { FileTree.remove(path) }

    /// The path of a data set or file by its name.
    subscript(_ name: String) -> String { path + "/" + name }
}

/// A backend that a check has open, with its data directory.
final class OpenBackend {
    let backend: any StorageBackend
    let directory: DataDirectory?

    /// Opens the data set at `path`; a backend that needs no directory gets none.
    init(
        _ subject: any BackendSubject.Type, at path: String, durability: Durability = .always,
        expecting manifest: Manifest? = nil
    ) throws {
        let kind = subject.kind
        let manifest = manifest ?? Self.manifest(of: subject)
        directory = subject.isDurable ? try DataDirectory(at: path, expecting: manifest) : nil
        backend = try kind.open(
            BackendOpening(directory: directory, settings: subject.settings, durability: durability))
    }

    /// Closes the backend and releases its directory.
    func close() throws {
        defer { directory?.close() }
        try backend.close()
    }

    /// The strongest level that may be asked for.
    var strongest: Durability { backend.properties.maximumDurability }

    static func manifest(of subject: any BackendSubject.Type) -> Manifest {
        Manifest(backend: subject.kind.name, cluster: "conformance", node: "a")
    }
}

/// Whole trees of files, for workspaces.
enum FileTree {
    /// Removes a file or directory and all below it; what is not there is not an error.
    static func remove(_ path: String) {
        for name in names(in: path) { remove(path + "/" + name) }
        if unsafe rmdir(path) != 0 { _ = unsafe unlink(path) }
    }

    /// The names in a directory, sorted; none if it cannot be read.
    static func names(in path: String) -> [String] {
        var information = stat()
        guard unsafe lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR,
            let directory = unsafe opendir(path)
        else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { field in
                unsafe String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
