internal import MartletRuntime

/// What kind of thing goes wrong: a word of the simulation file. Whoever can do harm adds its own.
public struct FaultKind: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let name: String
    public init(_ name: String) { self.name = name }
    public var description: String { name }
    public static func < (a: Self, b: Self) -> Bool { a.name < b.name }

    /// A node's process dies and starts again when the fault ends.
    public static let crash = FaultKind("crash")
    /// It dies right before or right after its next sync.
    public static let crashAtSync = FaultKind("crash-at-sync")
    /// Its process stands still.
    public static let pause = FaultKind("pause")
    /// Its disk takes longer for everything.
    public static let slowDisk = FaultKind("slow-disk")
    /// Its disk does nothing for a while.
    public static let stalledDisk = FaultKind("stalled-disk")
    /// Its disk takes no more bytes.
    public static let fullDisk = FaultKind("full-disk")
    /// Its disk's next sync fails; the node is started anew when the fault ends.
    public static let syncError = FaultKind("sync-error")
    /// Its disk's next write fails; as ``syncError``.
    public static let writeError = FaultKind("write-error")
    /// Some of its reads fail.
    public static let readError = FaultKind("read-error")
    /// A bit of a stored record flips.
    public static let bitFlip = FaultKind("bit-flip")
    /// Its calendar jumps, and is set right when the fault ends.
    public static let clockJump = FaultKind("clock-jump")
    /// Its calendar drifts, and is set right when the fault ends.
    public static let clockDrift = FaultKind("clock-drift")
    /// Connections of clients break.
    public static let connectionReset = FaultKind("connection-reset")
    /// Segments of streams travel long.
    public static let slowNetwork = FaultKind("slow-network")
}

/// One fault of a plan.
public struct PlannedFault: Hashable, Sendable, Codable, CustomStringConvertible {
    public var kind: FaultKind
    /// After the simulation's begin.
    public var at: Duration
    public var duration: Duration
    /// The number of the node it hits.
    public var node: Int
    /// How bad it is, 0..<1; each kind makes of it what it can.
    public var severity: Double

    public init(_ kind: FaultKind, at: Duration, duration: Duration, node: Int = 0, severity: Double = 0.5) {
        self.kind = kind
        self.at = at
        self.duration = duration
        self.node = node
        self.severity = severity
    }

    public var description: String {
        "\(kind) of node \(node) at \(at.shown) for \(duration.shown), severity \(Int(severity * 100)) %"
    }
}

extension Duration {
    /// `12.345s`.
    var shown: String {
        let milliseconds = inNanoseconds / 1_000_000
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)s"
    }
}
