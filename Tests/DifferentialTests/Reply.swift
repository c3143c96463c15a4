/// A reply of RESP2 or RESP3: its bytes as they came, and what they say.
struct Reply: Equatable, CustomStringConvertible {
    indirect enum Content: Equatable {
        case line(type: UInt8, text: [UInt8])
        case bulk(type: UInt8, bytes: [UInt8])
        /// `$-1` or `*-1`.
        case null(type: UInt8)
        /// Arrays, sets and maps; a map's keys and values take turns.
        case list(type: UInt8, [Content])

        var integer: Int64? {
            guard case .line(UInt8(ascii: ":"), let text) = self else { return nil }
            return Int64(String(decoding: text, as: UTF8.self))
        }

        /// The first byte of the form, which tells of which kind it is.
        var type: UInt8 {
            switch self {
            case .line(let type, _), .bulk(let type, _), .null(let type), .list(let type, _): type
            }
        }
    }

    var content: Content
    var bytes: [UInt8]

    var description: String { Self.show(bytes) }

    /// Bytes for a person: line ends as `|`, what is not ASCII in hexadecimal.
    static func show(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            switch byte {
            case 13: continue
            case 10: text += "|"
            case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text
    }
}

/// The bytes are no reply.
struct NoReply: Error {
    var bytes: [UInt8]
}

/// Takes replies off a stream of bytes.
struct ReplyReader {
    private(set) var buffer: [UInt8] = []
    private var start = 0

    mutating func append(_ bytes: some Sequence<UInt8>) { buffer += bytes }

    /// The next whole reply, or nil if more bytes are needed.
    mutating func next() throws -> Reply? {
        var at = start
        guard let content = try read(&at) else { return nil }
        defer {
            start = at
            if start == buffer.count {
                buffer.removeAll(keepingCapacity: true)
                start = 0
            }
        }
        return Reply(content: content, bytes: Array(buffer[start..<at]))
    }

    private func read(_ at: inout Int) throws -> Reply.Content? {
        guard at < buffer.count, let end = buffer[at...].firstIndex(of: 10) else { return nil }
        let type = buffer[at]
        let text = Array(buffer[at + 1..<max(at + 1, end - 1)])
        at = end + 1
        switch type {
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "#"),
            UInt8(ascii: ","), UInt8(ascii: "("):
            return .line(type: type, text: text)
        case UInt8(ascii: "$"), UInt8(ascii: "="):
            let count = try number(text)
            guard count >= 0 else { return .null(type: type) }
            guard buffer.count >= at + count + 2 else { return nil }
            defer { at += count + 2 }
            return .bulk(type: type, bytes: Array(buffer[at..<at + count]))
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: "%"), UInt8(ascii: ">"):
            let count = try number(text)
            guard count >= 0 else { return .null(type: type) }
            var elements: [Reply.Content] = []
            for _ in 0..<(type == UInt8(ascii: "%") ? count * 2 : count) {
                guard let element = try read(&at) else { return nil }
                elements.append(element)
            }
            return .list(type: type, elements)
        default:
            throw NoReply(bytes: Array(buffer[start...].prefix(200)))
        }
    }

    private func number(_ text: [UInt8]) throws -> Int {
        guard let number = Int(String(decoding: text, as: UTF8.self)) else { throw NoReply(bytes: text) }
        return number
    }
}
