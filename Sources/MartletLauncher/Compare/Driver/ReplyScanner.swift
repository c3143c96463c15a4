internal import MartletCore

/// Finds the replies that a load driver expects in received bytes: status, error, integer, bulk and null, of RESP2.
enum ReplyScanner {
    enum Reply: Equatable {
        case status
        case integer(Int)
        /// Where the value's bytes lie.
        case bulk(Range<Int>)
        case null
        /// Where its text lies.
        case error(Range<Int>)
    }

    /// The reply at `offset`, which moves past it; nil as long as it is not all there.
    static func next(in bytes: RawSpan, at offset: inout Int) throws(DriverError) -> Reply? {
        guard offset < bytes.byteCount else { return nil }
        var end = offset + 1
        while true {
            guard end + 1 < bytes.byteCount else { return nil }
            if bytes.byte(end) == 13 { break }
            end += 1
        }
        let line = (offset + 1)..<end
        switch bytes.byte(offset) {
        case UInt8(ascii: "+"):
            offset = end + 2
            return .status
        case UInt8(ascii: "-"):
            offset = end + 2
            return .error(line)
        case UInt8(ascii: ":"):
            let value = try number(bytes, line)
            offset = end + 2
            return .integer(value)
        case UInt8(ascii: "$"):
            let length = try number(bytes, line)
            guard length >= 0 else {
                offset = end + 2
                return .null
            }
            guard bytes.byteCount - (end + 2) >= length + 2 else { return nil }
            offset = end + 2 + length + 2
            return .bulk((end + 2)..<(end + 2 + length))
        default:
            throw DriverError("the node sent something that is no reply: byte \(bytes.byte(offset))")
        }
    }

    private static func number(_ bytes: RawSpan, _ line: Range<Int>) throws(DriverError) -> Int {
        var value = 0
        var at = line.lowerBound
        let isNegative = at < line.upperBound && bytes.byte(at) == UInt8(ascii: "-")
        if isNegative { at += 1 }
        guard at < line.upperBound, line.upperBound - at <= 18 else { throw DriverError("the node sent a bad number") }
        while at < line.upperBound {
            let digit = bytes.byte(at)
            guard digit >= 48, digit <= 57 else { throw DriverError("the node sent a bad number") }
            value = value * 10 + Int(digit - 48)
            at += 1
        }
        return isNegative ? -value : value
    }
}
