internal import Foundation

/// The interposed disk that loses power: a library of the project, preloaded into a node's process.
enum PowerLoss {
    /// Writes to the disk that go well before the power is cut.
    private static let writes = 1500

    /// Where it lies: beside this executable; nil if it was not built.
    static var library: String? {
        let directory = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let path = directory.appendingPathComponent("libMartletPowerLoss.so").path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    /// What a node's process has to have in its environment for its power to be cut amidst its writes.
    static func environment(_ library: String, directory: String, seed: UInt64) -> [String: String] {
        let absolute = URL(fileURLWithPath: directory).standardizedFileURL.path
        return [
            "LD_PRELOAD": library, "POWER_LOSS_DIRECTORY": absolute, "POWER_LOSS_SEED": String(seed),
            "POWER_LOSS_CUT_AT_WRITE": String(writes),
        ]
    }
}
