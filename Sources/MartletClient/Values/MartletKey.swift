/// The name of a value: any bytes, usually text.
///
/// Literals and interpolations are keys: `client.get("user:\(id)")`.
public struct MartletKey: Hashable, Sendable, ExpressibleByStringInterpolation, CustomStringConvertible {
    public var bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The key of a text's UTF-8 bytes.
    public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    public init(stringLiteral text: String) { self.init(text) }

    /// The key as text; bytes that are no UTF-8 are repaired.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
