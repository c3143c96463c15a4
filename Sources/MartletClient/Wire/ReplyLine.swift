import MartletCore

/// A line of a reply without its CRLF: a type byte and text.
struct Line {
    let typeByte: UInt8
    let content: [UInt8]

    /// Copies the first `end` bytes, at least one, off a buffer's head.
    init(_ buffer: borrowing ByteBuffer, end: Int) {
        (typeByte, content) = buffer.withBytes { ($0.byte(0), $0.slice(1, end)) }
    }

    var type: Character { Character(Unicode.Scalar(typeByte)) }
    var text: String { String(decoding: content, as: UTF8.self) }

    /// A decimal number of 64 bits with an optional sign.
    func integer() throws(ProtocolViolation) -> Int64 {
        guard let value = Int64(text) else { throw ProtocolViolation(message: "an integer that is none") }
        return value
    }

    func double() throws(ProtocolViolation) -> Double {
        guard let value = Double(text) else { throw ProtocolViolation(message: "a double that is none") }
        return value
    }

    func boolean() throws(ProtocolViolation) -> Bool {
        switch content {
        case [UInt8(ascii: "t")]: return true
        case [UInt8(ascii: "f")]: return false
        default: throw ProtocolViolation(message: "a boolean that is none")
        }
    }

    func bigNumber() throws(ProtocolViolation) -> String {
        let digits =
            content.first == UInt8(ascii: "-") || content.first == UInt8(ascii: "+")
            ? content.dropFirst() : content[...]
        guard !digits.isEmpty, digits.allSatisfy({ (48...57).contains($0) }) else {
            throw ProtocolViolation(message: "a big number that is none")
        }
        return text
    }
}
