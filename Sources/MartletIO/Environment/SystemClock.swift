internal import Glibc
public import MartletRuntime

/// The system's clocks.
public struct SystemClock: NodeClock {
    public init() {}

    public var monotonic: MonotonicTime { Self.monotonicNow }

    public var wallMicroseconds: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    static var monotonicNow: MonotonicTime {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
