internal import Glibc
internal import MartletConfiguration
internal import MartletRuntime

/// Finding and reading a cluster file for a command.
enum ConfigurationFile {
    /// The file given, or the default one; nil if none is given and there is no default here.
    static func path(_ given: String?) -> String? {
        if let given { return given }
        let usual = "Configs/three-backends.yaml"
        return unsafe access(usual, R_OK) == 0 ? usual : nil
    }

    /// The configuration; nil if it has faults, which have been printed, one a line.
    static func read(_ path: String, _ backends: [BackendKind]) -> ClusterConfiguration? {
        guard let text = contents(path) else { return nil }
        do throws(ConfigurationFaults) {
            return try ClusterConfiguration.parse(text, file: path, kinds: backends)
        } catch {
            Terminal.error(error.description)
            return nil
        }
    }

    /// A file's text, of which a mebibyte is read; nil, with the reason printed, if it cannot be.
    static func contents(_ path: String) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return refuse(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= 1 << 20 {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 { return refuse(path) }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return bytes
    }

    private static func refuse(_ path: String) -> [UInt8]? {
        Terminal.error("\(path): cannot be read: \(unsafe String(cString: strerror(errno)))")
        return nil
    }
}
