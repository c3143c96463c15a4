/// The name of a value: any bytes, usually text.
///
/// Literals and interpolations are keys: `client.get("user:\(id)")`.
public struct MartletKey: Hashable, Sendable, ExpressibleByStringInterpolation, CustomStringConvertible {
    /// The key as the server knows it; at most 1 KiB unless the keyspace allows more.
    public var bytes: [UInt8]

    /// The key of any bytes.
    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The key of a text's UTF-8 bytes.
    public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// The key of a literal's UTF-8 bytes.
    public init(stringLiteral text: String) { self.init(text) }

    /// The key as text; bytes that are no UTF-8 are repaired.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
