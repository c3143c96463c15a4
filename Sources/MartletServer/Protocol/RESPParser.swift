public import MartletCore

/// Splits a client's bytes into commands, RESP arrays or inline, as Redis 7.0.15 does, in place.
///
/// It keeps where it stands in an unfinished command, so that bytes that trickle in are looked at once; offsets are
/// relative to that command's first byte, which the caller keeps at the front of its buffer. Memory grows with the
/// bytes that came, never with a count that a client claims. A bulk string's closing CRLF is not checked, as in Redis.
public struct RESPParser: Sendable {
    /// What ``next(_:at:into:)`` found.
    public enum Step: Sendable {
        /// A command; it ends at this offset. No arguments: an empty line or array, to be ignored.
        case command(end: Int)
        /// An inline command; its arguments are in ``inlineBytes``.
        case inline(end: Int)
        /// More bytes are needed.
        case incomplete
        /// The reply's text; the connection is to be closed after it.
        case malformed(String)
    }

    /// The longest header line or inline command without its end.
    static let longestLine = 64 << 10
    /// Redis' proto-max-bulk-len.
    static let longestBulk: Int64 = 512 << 20

    @usableFromInline var remaining: Int64 = 0
    private var bulk: Int64 = -1
    private var scanned = 0
    private var parsed: [Range<Int>] = []
    /// The unquoted arguments of an inline command, one after the other.
    public private(set) var inlineBytes: [UInt8] = []

    public init() {}

    /// Looks for a command at `start`; its arguments' places in `bytes` replace what is in `arguments`.
    @inlinable
    public mutating func next(_ bytes: RawSpan, at start: Int, into arguments: inout [Range<Int>]) -> Step {
        // The fast path: a whole array of short headers, as pipelining clients send.
        if remaining == 0, let end = Self.wholeArray(bytes, at: start, into: &arguments) { return .command(end: end) }
        return resume(bytes, at: start, into: &arguments)
    }

    /// Parses `*N` and N bulks of less than 1000 bytes each in one go; nil if anything is unusual or missing.
    @inlinable
    static func wholeArray(_ bytes: RawSpan, at start: Int, into arguments: inout [Range<Int>]) -> Int? {
        let limit = bytes.byteCount
        guard limit - start >= 4, bytes.byte(start) == UInt8(ascii: "*") else { return nil }
        let count = Int(bytes.byte(start + 1)) - 48
        guard count > 0, count < 10, bytes.byte(start + 2) == 13, bytes.byte(start + 3) == 10 else { return nil }
        arguments.removeAll(keepingCapacity: true)
        var offset = start + 4
        for _ in 0..<count {
            guard limit - offset >= 4, bytes.byte(offset) == UInt8(ascii: "$") else { return nil }
            let first = Int(bytes.byte(offset + 1)) - 48
            guard first >= 0, first < 10 else { return nil }
            var length = first
            offset += 2
            while offset < limit, bytes.byte(offset) != 13 {
                let digit = Int(bytes.byte(offset)) - 48
                guard digit >= 0, digit < 10, length > 0, length < 100 else { return nil }
                length = length * 10 + digit
                offset += 1
            }
            guard limit - offset >= length + 4, bytes.byte(offset + 1) == 10 else { return nil }
            arguments.append(offset + 2..<offset + 2 + length)
            offset += length + 4
        }
        return offset
    }

    @usableFromInline
    mutating func resume(_ bytes: RawSpan, at start: Int, into arguments: inout [Range<Int>]) -> Step {
        guard bytes.byteCount > start else { return .incomplete }
        if remaining == 0 {
            guard bytes.byte(start) == UInt8(ascii: "*") else { return inline(bytes, at: start, into: &arguments) }
            switch header(bytes, at: start, offset: 0) {
            case .incomplete: return .incomplete
            case .tooLong: return .malformed("ERR Protocol error: too big mbulk count string")
            case .line(let text, let end):
                guard let count = Decimal.parse(bytes, text), count <= Int64(Int32.max) else {
                    return .malformed("ERR Protocol error: invalid multibulk length")
                }
                if count <= 0 {
                    arguments.removeAll(keepingCapacity: true)
                    return .command(end: start + end)
                }
                remaining = count
                scanned = end
                parsed.removeAll(keepingCapacity: true)
            }
        }
        return bulks(bytes, at: start, into: &arguments)
    }

    private mutating func bulks(_ bytes: RawSpan, at start: Int, into arguments: inout [Range<Int>]) -> Step {
        while remaining > 0 {
            if bulk < 0 {
                switch header(bytes, at: start, offset: scanned) {
                case .incomplete: return .incomplete
                case .tooLong: return .malformed("ERR Protocol error: too big bulk count string")
                case .line(let text, let end):
                    let type = bytes.byte(start + scanned)
                    guard type == UInt8(ascii: "$") else {
                        let shown = String(decoding: [type == 13 || type == 10 ? 32 : type], as: UTF8.self)
                        return .malformed("ERR Protocol error: expected '$', got '\(shown)'")
                    }
                    guard let length = Decimal.parse(bytes, text), length >= 0, length <= Self.longestBulk else {
                        return .malformed("ERR Protocol error: invalid bulk length")
                    }
                    bulk = length
                    scanned = end
                }
            }
            let length = Int(bulk)
            guard bytes.byteCount - start - scanned >= length + 2 else { return .incomplete }
            parsed.append(scanned..<scanned + length)
            scanned += length + 2
            bulk = -1
            remaining -= 1
        }
        arguments.removeAll(keepingCapacity: true)
        for range in parsed { arguments.append(range.lowerBound + start..<range.upperBound + start) }
        parsed.removeAll(keepingCapacity: parsed.capacity <= 1024)
        defer { scanned = 0 }  // an inline command may be next, which is looked at from its first byte
        return .command(end: start + scanned)
    }

    private enum Header {
        case incomplete
        case tooLong
        /// Where the number lies in the bytes, and where the next thing begins, relative to the command.
        case line(Range<Int>, end: Int)
    }

    /// A line that ends with CRLF, its first byte left out.
    private func header(_ bytes: RawSpan, at start: Int, offset: Int) -> Header {
        let from = start + offset
        var at = from
        let limit = min(bytes.byteCount, from + Self.longestLine + 2)
        while at < limit, bytes.byte(at) != 13 { at += 1 }
        if at >= limit { return bytes.byteCount - from > Self.longestLine ? .tooLong : .incomplete }
        guard bytes.byteCount - at >= 2 else { return .incomplete }
        return .line(min(from + 1, at)..<at, end: at + 2 - start)
    }

    private mutating func inline(_ bytes: RawSpan, at start: Int, into arguments: inout [Range<Int>]) -> Step {
        var at = start + scanned
        while at < bytes.byteCount, bytes.byte(at) != 10 { at += 1 }
        guard at < bytes.byteCount else {
            guard at - start <= Self.longestLine else {
                return .malformed("ERR Protocol error: too big inline request")
            }
            scanned = at - start
            return .incomplete
        }
        scanned = 0
        let end = at > start && bytes.byte(at - 1) == 13 ? at - 1 : at
        inlineBytes.removeAll(keepingCapacity: inlineBytes.capacity <= 4096)
        arguments.removeAll(keepingCapacity: true)
        guard InlineArguments.split(bytes.extracting(start..<end), into: &inlineBytes, places: &arguments) else {
            return .malformed("ERR Protocol error: unbalanced quotes in request")
        }
        return .inline(end: at + 1)
    }
}

/// Redis' string2ll: an optional minus, digits without leading zeros, nothing else, within Int64.
public enum Decimal {
    public static func parse(_ bytes: RawSpan, _ range: Range<Int>) -> Int64? {
        guard !range.isEmpty, range.count <= 20 else { return nil }
        var offset = range.lowerBound
        let isNegative = bytes.byte(offset) == UInt8(ascii: "-")
        if isNegative { offset += 1 }
        guard offset < range.upperBound else { return nil }
        if bytes.byte(offset) == UInt8(ascii: "0") { return range.count == 1 ? 0 : nil }
        var value: UInt64 = 0
        while offset < range.upperBound {
            let digit = bytes.byte(offset) &- 48
            guard digit < 10 else { return nil }
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, tooLargeToo) = product.addingReportingOverflow(UInt64(digit))
            guard !tooLarge, !tooLargeToo else { return nil }
            value = sum
            offset += 1
        }
        if isNegative { return value <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil }
        return Int64(exactly: value)
    }
}
