public import MartletCore

/// Writes replies in the connection's protocol version: what RESP3 has a type for, RESP2 gets in Redis' older form.
public struct ReplyWriter: ~Copyable {
    public var buffer: ByteBuffer
    /// 2 or 3.
    public var version: Int

    public init(version: Int = 2) {
        buffer = ByteBuffer(capacity: 256)
        self.version = version
    }

    @inlinable public mutating func ok() { buffer.append("+OK\r\n") }

    @inlinable
    public mutating func simple(_ text: StaticString) {
        buffer.append(UInt8(ascii: "+"))
        buffer.append(text)
        buffer.append("\r\n")
    }

    /// The text with its prefix, as in `ERR syntax error`. CR and LF in it become spaces.
    public mutating func error(_ text: String) {
        buffer.append(UInt8(ascii: "-"))
        buffer.append(text.contains(where: \.isNewline) ? String(text.map { $0.isNewline ? " " : $0 }) : text)
        buffer.append("\r\n")
    }

    @inlinable
    public mutating func integer(_ value: Int64) {
        buffer.append(UInt8(ascii: ":"))
        buffer.append(decimal: value)
        buffer.append("\r\n")
    }

    @inlinable public mutating func integer(_ value: Int) { integer(Int64(value)) }

    @inlinable
    public mutating func bulk(_ bytes: RawSpan) {
        header(UInt8(ascii: "$"), bytes.byteCount)
        buffer.append(bytes)
        buffer.append("\r\n")
    }

    public mutating func bulk(_ text: String) {
        header(UInt8(ascii: "$"), text.utf8.count)
        buffer.append(text)
        buffer.append("\r\n")
    }

    /// RESP3 `_`, RESP2 `$-1`.
    @inlinable
    public mutating func null() { version >= 3 ? buffer.append("_\r\n") : buffer.append("$-1\r\n") }

    /// RESP3 `_`, RESP2 `*-1`.
    public mutating func nullArray() { version >= 3 ? buffer.append("_\r\n") : buffer.append("*-1\r\n") }

    /// Begins an array; `count` replies follow.
    @inlinable public mutating func array(_ count: Int) { header(UInt8(ascii: "*"), count) }

    /// Begins a map; `count` pairs of replies follow. RESP2 gets a flat array.
    public mutating func map(_ count: Int) {
        version >= 3 ? header(UInt8(ascii: "%"), count) : header(UInt8(ascii: "*"), count * 2)
    }

    /// Begins a set; RESP2 gets an array.
    public mutating func set(_ count: Int) { header(version >= 3 ? UInt8(ascii: "~") : UInt8(ascii: "*"), count) }

    public mutating func boolean(_ value: Bool) {
        if version >= 3 { buffer.append(value ? "#t\r\n" : "#f\r\n") } else { integer(value ? 1 : 0) }
    }

    /// Text a person reads: RESP3 verbatim text, RESP2 bulk.
    public mutating func verbatim(_ text: String) {
        guard version >= 3 else { return bulk(text) }
        header(UInt8(ascii: "="), text.utf8.count + 4)
        buffer.append("txt:")
        buffer.append(text)
        buffer.append("\r\n")
    }

    @inlinable
    public mutating func header(_ type: UInt8, _ count: Int) {
        buffer.append(type)
        buffer.append(decimal: Int64(count))
        buffer.append("\r\n")
    }
}
