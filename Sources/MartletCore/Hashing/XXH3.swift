internal import CXXHash

/// The 64-bit XXH3 hash: checksums, keyed hashes of keys, digests. Not cryptographic.
public enum XXH3 {
    /// The hash of the bytes under a seed; the same on every machine. ~3 ns for 16 bytes, ~60 ns for 1 KiB.
    public static func hash(_ bytes: RawSpan, seed: UInt64 = 0) -> UInt64 {
        unsafe bytes.withUnsafeBytes { unsafe XXH3_64bits_withSeed($0.baseAddress, $0.count, seed) }
    }
}
