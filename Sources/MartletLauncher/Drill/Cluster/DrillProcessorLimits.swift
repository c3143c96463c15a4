internal import Foundation
internal import Glibc

/// Control groups, one for each node of a drill, that take processor time away from it; of either version of cgroups.
final class DrillProcessorLimits {
    private let groups: [String]
    private let isUnified: Bool

    /// In microseconds: a node that has used its share up waits for so long at most.
    private static let period = 20_000

    /// Where groups are made, and whether it is of version 2; nil where they cannot be.
    private static var root: (path: String, isUnified: Bool)? {
        let files = FileManager.default
        for path in ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"] {
            if files.isWritableFile(atPath: path + "/cgroup.procs") { return (path, false) }
        }
        let unified = "/sys/fs/cgroup"
        let controllers = try? String(contentsOfFile: unified + "/cgroup.controllers", encoding: .utf8)
        guard controllers?.split(whereSeparator: \.isWhitespace).contains("cpu") == true,
            files.isWritableFile(atPath: unified + "/cgroup.subtree_control")
        else { return nil }
        return (unified, true)
    }

    static var arePossible: Bool { root != nil }

    init(nodes: Int) throws(DriverError) {
        guard let root = Self.root else { throw DriverError("there are no control groups to limit processor time by") }
        isUnified = root.isUnified
        groups = (0..<nodes).map { "\(root.path)/martlet-drill-\(getpid())-\($0)" }
        if isUnified { try Self.write("+cpu", root.path + "/cgroup.subtree_control") }
        for group in groups {
            do {
                try FileManager.default.createDirectory(atPath: group, withIntermediateDirectories: false)
            } catch { throw DriverError("cannot make \(group): \(error.localizedDescription)") }
        }
    }

    deinit { for group in groups { unsafe rmdir(group) } }

    func add(_ process: Int32, node: Int) throws(DriverError) {
        try Self.write("\(process)", groups[node] + "/cgroup.procs")
    }

    /// - Parameter percent: hundredths of one processor; 0: no limit.
    func set(_ percent: Int, node: Int) throws(DriverError) {
        let quota = percent * Self.period / 100
        guard !isUnified else {
            return try Self.write(
                "\(percent == 0 ? "max" : "\(quota)") \(Self.period)", groups[node] + "/cpu.max")
        }
        try Self.write("\(Self.period)", groups[node] + "/cpu.cfs_period_us")
        try Self.write(percent == 0 ? "-1" : "\(max(1000, quota))", groups[node] + "/cpu.cfs_quota_us")
    }

    private static func write(_ text: String, _ path: String) throws(DriverError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DriverError("cannot write \(path): \(DriverError.reason(errno))") }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard written == bytes.count else { throw DriverError("cannot write \(path): \(DriverError.reason(errno))") }
    }
}
