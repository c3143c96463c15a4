import Glibc
import MartletRuntime

/// A directory of one test, removed with its last reference.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/martlet-runtime-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemFile.failure("create directory", "/tmp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    subscript(_ name: String) -> String { path + "/" + name }

    private static func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            closedir(directory)
        }
        if rmdir(path) != 0 { unlink(path) }
    }
}

/// The code of the storage error that `body` throws; nil if it throws none.
func code(of body: () throws -> Void) -> StorageError.Code? {
    do {
        try body()
    } catch let error as StorageError {
        return error.code
    } catch {
        return nil
    }
    return nil
}

/// The permission bits of a file.
func permissions(_ path: String) -> UInt32 {
    var information = stat()
    return stat(path, &information) == 0 ? information.st_mode & 0o7777 : 0
}
