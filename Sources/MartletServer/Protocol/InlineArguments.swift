internal import MartletCore

/// Redis' sdssplitargs: words of an inline command, with "..." (escapes \n \r \t \b \a \xNN \c) and '...' (escape \').
enum InlineArguments {
    /// Appends each word's bytes to `words` and its place to `places`; false if a quote is not closed, or is followed
    /// by anything but space. O(length).
    static func split(_ line: RawSpan, into words: inout [UInt8], places: inout [Range<Int>]) -> Bool {
        var at = 0
        while true {
            while at < line.byteCount, isSpace(line.byte(at)) { at += 1 }
            guard at < line.byteCount, line.byte(at) != 0 else { return true }
            let start = words.count
            guard let end = word(line, from: at, into: &words) else { return false }
            at = end
            places.append(start..<words.count)
        }
    }

    private static func word(_ line: RawSpan, from start: Int, into words: inout [UInt8]) -> Int? {
        var at = start
        while at < line.byteCount {
            let byte = line.byte(at)
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                return quoted(line, from: at + 1, by: byte, into: &words)
            }
            if byte == 0 || isSpace(byte) { return at }
            words.append(byte)
            at += 1
        }
        return at
    }

    private static func quoted(_ line: RawSpan, from start: Int, by quote: UInt8, into words: inout [UInt8]) -> Int? {
        var at = start
        while at < line.byteCount, line.byte(at) != 0 {
            let byte = line.byte(at)
            let next = at + 1 < line.byteCount ? line.byte(at + 1) : 0
            if byte == quote { return next == 0 && at + 1 >= line.byteCount || isSpace(next) ? at + 1 : nil }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "'"), next == quote {
                words.append(quote)
                at += 2
            } else if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), next != 0 {
                at = escape(line, at, next, into: &words)
            } else {
                words.append(byte)
                at += 1
            }
        }
        return nil
    }

    private static func escape(_ line: RawSpan, _ at: Int, _ next: UInt8, into words: inout [UInt8]) -> Int {
        if next == UInt8(ascii: "x"), at + 3 < line.byteCount, let high = digit(line.byte(at + 2)),
            let low = digit(line.byte(at + 3))
        {
            words.append(high << 4 | low)
            return at + 4
        }
        switch next {
        case UInt8(ascii: "n"): words.append(10)
        case UInt8(ascii: "r"): words.append(13)
        case UInt8(ascii: "t"): words.append(9)
        case UInt8(ascii: "b"): words.append(8)
        case UInt8(ascii: "a"): words.append(7)
        default: words.append(next)
        }
        return at + 2
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}
