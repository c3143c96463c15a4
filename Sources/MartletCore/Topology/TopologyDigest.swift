/// What two nodes compare to know that they were founded alike: 128 bits of the founding description's bytes.
///
/// Two seeds of XXH3. It tells mistakes apart, not forgeries: the cluster secret keeps strangers out.
public struct TopologyDigest: Hashable, Sendable, CustomStringConvertible {
    /// What a data directory's manifest keeps.
    public let manifestValue: UInt64
    private let second: UInt64

    public init(_ founding: FoundingDescription) {
        (manifestValue, second) = withBytes(of: founding.encoded()) {
            (XXH3.hash($0), XXH3.hash($0, seed: 0x6570_6f63_6820_3031))
        }
    }

    /// 16 bytes, as a link's hello carries them.
    public var bytes: [UInt8] {
        var buffer = ByteBuffer(capacity: 16)
        buffer.append(bigEndian: manifestValue)
        buffer.append(bigEndian: second)
        return buffer.copy()
    }

    public var description: String { String(manifestValue, radix: 16) }
}
