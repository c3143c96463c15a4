internal import Foundation
internal import Glibc
internal import MartletRuntime

/// What this machine is, as far as results depend on it.
enum MachineFacts {
    /// Reads it; `path` is where the data lies.
    static func read(path: String) -> CompareReport.Machine {
        var names = utsname()
        _ = unsafe uname(&names)
        let system = unsafe withUnsafeBytes(of: &names.release) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        return CompareReport.Machine(
            processor: field("model name", in: "/proc/cpuinfo") ?? "unknown processor",
            cores: ProcessInfo.processInfo.activeProcessorCount, memory: ProcessInfo.processInfo.physicalMemory,
            system: "Linux \(system)", fileSystem: fileSystem(path))
    }

    private static func field(_ name: String, in path: String) -> String? {
        let text: String?
        do { text = try SystemFile.read(path) } catch { return nil }
        let line = text?.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// The type of the mount that holds `path`: the longest mount point before it.
    private static func fileSystem(_ path: String) -> String {
        let text: String?
        do { text = try SystemFile.read("/proc/self/mounts") } catch { return "unknown" }
        let absolute = URL(fileURLWithPath: path).standardizedFileURL.path
        var best = (length: -1, kind: "unknown")
        for line in (text ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 2, fields[1].count > best.length else { continue }
            let point = String(fields[1])
            if absolute == point || point == "/" || absolute.hasPrefix(point + "/") {
                best = (point.count, String(fields[2]))
            }
        }
        return best.kind
    }
}
