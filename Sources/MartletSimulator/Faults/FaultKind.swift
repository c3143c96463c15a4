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
    /// Its process runs, but each turn of its threads comes late.
    public static let slowNode = FaultKind("slow-node")
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
    /// A stored record is cut short, as by a write that was torn.
    public static let tornRecord = FaultKind("torn-record")
    /// What was meant for one record lies in the place of another.
    public static let misdirectedWrite = FaultKind("misdirected-write")
    /// Records are not written that the disk says it has written: what was there before stays.
    public static let phantomWrite = FaultKind("phantom-write")
    /// Some reads are answered with another record than was asked for.
    public static let misdirectedRead = FaultKind("misdirected-read")
    /// Its calendar jumps, and is set right when the fault ends.
    public static let clockJump = FaultKind("clock-jump")
    /// Its calendar drifts, and is set right when the fault ends.
    public static let clockDrift = FaultKind("clock-drift")
    /// Its calendar stands still, and is set right when the fault ends.
    public static let stuckClock = FaultKind("stuck-clock")
    /// Connections of clients break.
    public static let connectionReset = FaultKind("connection-reset")
    /// Segments of streams travel long.
    public static let slowNetwork = FaultKind("slow-network")

    // Of clusters of several nodes.

    /// All nodes die and start again when the fault ends.
    public static let crashAll = FaultKind("crash-all")
    /// A node's process dies and its disk is emptied.
    public static let wipe = FaultKind("wipe")
    /// A node starts with another topology than the others know, and comes back with theirs when the fault ends.
    public static let foreignEpoch = FaultKind("foreign-epoch")
    /// The nodes are parted into two groups that do not hear of each other.
    public static let partition = FaultKind("partition")
    /// As ``partition``, but for one node that hears of both groups, and is heard.
    public static let bridge = FaultKind("bridge")
    /// A node is cut off from all others.
    public static let isolation = FaultKind("isolation")
    /// What a node sends to some others, or they to it, does not arrive.
    public static let oneWay = FaultKind("one-way")
    /// A node is cut off and let back again and again.
    public static let flapping = FaultKind("flapping")
    /// Links break, each turn's messages with a small probability; what was on its way is lost.
    public static let linkBreaks = FaultKind("link-breaks")
    /// Messages between nodes travel long.
    public static let slowLinks = FaultKind("slow-links")
    /// Some ways between nodes are slowed down.
    public static let clog = FaultKind("clog")
    /// Nodes are cut off one by one and let back in another order.
    public static let swizzle = FaultKind("swizzle")
    /// Nodes are gone, as many as every key can spare: dead, standing still or cut off.
    public static let outage = FaultKind("outage")
}

extension FaultKind {
    /// Those that may take a copy of a record, or damage it.
    static let takingCopies: Set<FaultKind> = [
        .crash, .crashAtSync, .crashAll, .wipe, .outage, .foreignEpoch, .syncError, .writeError, .bitFlip, .tornRecord,
        .misdirectedWrite, .misdirectedRead,
    ]
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
