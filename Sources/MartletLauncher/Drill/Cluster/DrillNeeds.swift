internal import Foundation
internal import Glibc
internal import MartletConfiguration
internal import MartletRuntime

/// What a drill's steps need of the system.
struct DrillNeeds: Sendable, Equatable {
    /// Nodes that can be cut off from each other.
    var network = false
    /// Disks that can be slowed down.
    var slowDisks = false
    /// Calendars that can be set wrong.
    var skew = false
    /// Processors that nodes can be kept from.
    var limits = false

    init(_ actions: [DrillConfiguration.Action], chaos kinds: [String] = []) {
        for action in actions {
            switch action {
            case .partition, .oneWay, .heal: network = true
            case .slowDisk: slowDisks = true
            case .skew: skew = true
            case .limitCPU: limits = true
            case .kill, .restart, .wipe, .pause, .resume, .rate: break
            }
        }
        network = network || !Set(kinds).isDisjoint(with: ["halves", "isolate", "one_way", "flap"])
        slowDisks = slowDisks || kinds.contains("slow_disk")
        skew = skew || kinds.contains("skew")
    }

    /// Why they cannot be had here; nil if they can.
    var missing: String? {
        if slowDisks, Self.slowDiskLibrary == nil {
            return "slow disks need libMartletSlowDisk.so beside this executable "
                + "(swift build -c release --product MartletSlowDisk)"
        }
        if skew, Self.fakeTimeLibrary == nil { return "wrong clocks need libfaketime: apt-get install libfaketime" }
        if limits, !DrillProcessorLimits.arePossible {
            return "limits of processor time need a control group of its own (cgroup, as root)"
        }
        return nil
    }

    // MARK: Libraries that nodes are started with

    /// What a node's process has in its environment, with the files that steer it set to nothing wrong.
    func environment(ofNode node: Int, folder: String) throws(DriverError) -> [String: String] {
        var environment: [String: String] = [:]
        var libraries: [String] = []
        if slowDisks, let library = Self.slowDiskLibrary {
            libraries.append(library)
            environment["SLOW_DISK_FILE"] = Self.slowDiskFile(node, folder)
            try Self.setSlowness(.zero, ofNode: node, folder: folder)
        }
        if skew, let library = Self.fakeTimeLibrary {
            libraries.append(library)
            environment["FAKETIME_TIMESTAMP_FILE"] = Self.skewFile(node, folder)
            environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
            environment["FAKETIME_CACHE_DURATION"] = "1"
            try Self.setSkew(0, ofNode: node, folder: folder)
        }
        if !libraries.isEmpty { environment["LD_PRELOAD"] = libraries.joined(separator: ":") }
        return environment
    }

    /// What a command begins with so that a preloaded library does not change its environment: libfaketime does, once,
    /// and Swift's runtime then finds no arguments. A program before it in the same process takes that upon itself.
    var prefix: [String] { skew ? ["env"] : [] }

    /// Takes away what libfaketime left of processes that ended.
    static func removeSharedMemory(of processes: [Int32]) {
        for process in processes {
            for name in ["faketime_shm_\(process)", "sem.faketime_sem_\(process)"] {
                try? FileManager.default.removeItem(atPath: "/dev/shm/" + name)
            }
        }
    }

    /// The library of this project that waits before each sync; nil if it was not built.
    private static var slowDiskLibrary: String? {
        let folder = URL(fileURLWithPath: SupervisedProcess.thisExecutable).deletingLastPathComponent()
        let path = folder.appendingPathComponent("libMartletSlowDisk.so").path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    private static var fakeTimeLibrary: String? {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib")) ?? []
        return (folders.map { "/usr/lib/\($0)/faketime/libfaketime.so.1" } + ["/usr/lib/faketime/libfaketime.so.1"])
            .first { FileManager.default.fileExists(atPath: $0) }
    }

    private static func slowDiskFile(_ node: Int, _ folder: String) -> String { "\(folder)/slow-\(node)" }
    private static func skewFile(_ node: Int, _ folder: String) -> String { "\(folder)/skew-\(node)" }

    /// From now on each sync of the node takes so much longer. The library has the file's four bytes in its memory.
    static func setSlowness(_ time: Duration, ofNode node: Int, folder: String) throws(DriverError) {
        let microseconds = UInt32(clamping: time.inNanoseconds / 1000)
        try overwrite(
            slowDiskFile(node, folder), (0..<4).map { UInt8(truncatingIfNeeded: microseconds >> (8 * $0)) })
    }

    static func setSkew(_ milliseconds: Int, ofNode node: Int, folder: String) throws(DriverError) {
        let sign = milliseconds < 0 ? "-" : "+"
        let digits = String(1000 + abs(milliseconds) % 1000).dropFirst()
        try overwrite(skewFile(node, folder), Array("\(sign)\(abs(milliseconds) / 1000).\(digits)\n".utf8))
    }

    /// In place, since a process may have mapped the file.
    private static func overwrite(_ path: String, _ bytes: [UInt8]) throws(DriverError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DriverError("cannot write \(path): \(DriverError.reason(errno))") }
        defer { close(descriptor) }
        _ = unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        ftruncate(descriptor, bytes.count)
    }
}
