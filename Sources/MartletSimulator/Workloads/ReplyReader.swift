/// Takes replies of RESP2 off a stream's bytes.
struct ReplyReader {
    enum Reply: Equatable {
        case line(String)
        case error(String)
        case integer(Int64)
        /// nil is the null reply.
        case bulk([UInt8]?)
        case array([Reply])
        /// Not RESP.
        case malformed(String)
    }

    private var bytes: [UInt8] = []
    private var start = 0

    mutating func append(_ more: [UInt8]) {
        bytes += more
    }

    mutating func removeAll() { (bytes, start) = ([], 0) }

    /// The next whole reply; nil if it has not all come.
    mutating func next() -> Reply? {
        var place = start
        guard let reply = read(&place) else { return nil }
        start = place
        if start == bytes.count { removeAll() }
        return reply
    }

    private func read(_ place: inout Int) -> Reply? {
        guard let end = lineEnd(from: place) else { return nil }
        let kind = bytes[place]
        let text = String(decoding: bytes[place + 1..<end], as: UTF8.self)
        place = end + 2
        switch kind {
        case UInt8(ascii: "+"): return .line(text)
        case UInt8(ascii: "-"): return .error(text)
        case UInt8(ascii: ":"): return Int64(text).map { .integer($0) } ?? .malformed(text)
        case UInt8(ascii: "$"):
            guard let length = Int(text), length >= -1 else { return .malformed(text) }
            guard length >= 0 else { return .bulk(nil) }
            guard place + length + 2 <= bytes.count else { return nil }
            defer { place += length + 2 }
            return .bulk(Array(bytes[place..<place + length]))
        case UInt8(ascii: "*"):
            guard let count = Int(text), count >= 0 else { return .malformed(text) }
            var items: [Reply] = []
            for _ in 0..<count {
                guard let item = read(&place) else { return nil }
                items.append(item)
            }
            return .array(items)
        default: return .malformed(text)
        }
    }

    private func lineEnd(from place: Int) -> Int? {
        var index = place
        while index + 1 < bytes.count {
            if bytes[index] == 13, bytes[index + 1] == 10 { return index }
            index += 1
        }
        return nil
    }
}
