internal import CLibuv
public import MartletRuntime

/// Random numbers of the system, fetched 512 at a time: each is unpredictable, and the call costs some 20 ns.
public final class SystemRandomSource: RandomSource {
    private struct Pool {
        var words = [UInt64](repeating: 0, count: 512)
        var next = 512
    }

    private let pool = Lock(Pool())

    public init() {}

    public func next() -> UInt64 {
        pool.withLock { pool in
            if pool.next == pool.words.count {
                Self.fill(&pool.words)
                pool.next = 0
            }
            let word = pool.words[pool.next]
            pool.words[pool.next] = 0  // what was handed out is not kept
            pool.next += 1
            return word
        }
    }

    private static func fill(_ words: inout [UInt64]) {
        unsafe words.withUnsafeMutableBytes { bytes in
            let status = unsafe uv_random(nil, nil, bytes.baseAddress, bytes.count, 0, nil)
            precondition(status == 0, "the system has no random numbers")
        }
    }
}
