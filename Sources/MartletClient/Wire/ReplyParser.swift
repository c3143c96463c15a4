import MartletCore

/// What no conforming server sends: the stream is not to be read any further.
struct ProtocolViolation: Error, Equatable {
    var message: String
}

/// Bounds on what a server can make a client hold.
struct ReplyLimits: Sendable {
    /// Bytes of a line: a simple string, an error, a number, a header.
    var line = 64 * 1024
    /// Bytes of one bulk string.
    var bulk = 65 * 1024 * 1024
    /// Elements of one array, set, push; entries of one map.
    var elements = 1 << 20
    /// Aggregates within one another.
    var depth = 32
    /// Bytes of one whole reply as they came.
    var reply = 256 * 1024 * 1024
}

/// Reads replies from bytes that come in pieces of any size.
///
/// Each byte is looked at once, whatever the pieces: open aggregates wait on a stack. Memory grows with bytes received,
/// never with a length that was announced.
struct ReplyParser: ~Copyable {
    private var buffer: ByteBuffer
    private let limits: ReplyLimits
    /// Bytes after the buffer's head in which no line ends.
    private var searched = 0
    /// A bulk string whose header was read.
    private var bulk: Bulk?
    /// Aggregates that miss elements, the outermost first.
    private var open: [Aggregate] = []
    /// Bytes of the reply that is being read.
    private var taken = 0

    init(limits: ReplyLimits = ReplyLimits()) {
        self.limits = limits
        buffer = ByteBuffer(capacity: 4096)
    }

    /// Bytes allocated for what was received; a measure for tests.
    var capacity: Int { buffer.capacity }

    /// Takes note of bytes that came.
    mutating func append(_ bytes: RawSpan) { buffer.append(bytes) }

    /// The next whole reply; nil if more bytes are needed.
    mutating func next() throws(ProtocolViolation) -> Reply? {
        while let element = try nextElement() {
            if let reply = try close(with: element) {
                taken = 0
                buffer.releaseExcess(keeping: 64 * 1024)
                return reply
            }
        }
        return nil
    }

    /// A scalar, or an empty aggregate; opens aggregates on its way.
    private mutating func nextElement() throws(ProtocolViolation) -> Reply? {
        while true {
            if let bulk {
                guard let value = try takeBulk(bulk) else { return nil }
                self.bulk = nil
                return value
            }
            guard let end = try lineEnd() else { return nil }
            let line = Line(buffer, end: end)
            try consume(end + 2)
            if let value = try read(line) { return value }
        }
    }

    /// Where the line at the head ends.
    private mutating func lineEnd() throws(ProtocolViolation) -> Int? {
        let from = searched
        let found = buffer.withBytes { bytes -> Int? in
            var offset = from
            while offset + 1 < bytes.byteCount {
                if bytes.byte(offset) == 13, bytes.byte(offset + 1) == 10 { return offset }
                offset += 1
            }
            return nil
        }
        guard let found else {
            searched = max(0, buffer.count - 1)
            if buffer.count > limits.line {
                throw ProtocolViolation(message: "a line longer than \(limits.line) bytes")
            }
            return nil
        }
        if found > limits.line { throw ProtocolViolation(message: "a line longer than \(limits.line) bytes") }
        if found == 0 { throw ProtocolViolation(message: "an empty line where a reply begins") }
        return found
    }

    private mutating func consume(_ count: Int) throws(ProtocolViolation) {
        buffer.consume(count)
        searched = 0
        taken += count
        if taken > limits.reply { throw ProtocolViolation(message: "a reply longer than \(limits.reply) bytes") }
    }

    /// The bulk string at the head once all of it is there.
    private mutating func takeBulk(_ bulk: Bulk) throws(ProtocolViolation) -> Reply? {
        guard buffer.count >= bulk.count + 2 else { return nil }
        let ended = buffer.withBytes(bulk.count..<bulk.count + 2) { $0.byte(0) == 13 && $0.byte(1) == 10 }
        guard ended else { throw ProtocolViolation(message: "a bulk string not followed by CRLF") }
        let value = buffer.withBytes(0..<bulk.count) { bytes -> Reply in
            switch bulk.kind {
            case .bytes: .bytes(bytes.array)
            case .error: .error(bytes.text)
            case .verbatim: .bytes(bytes.byteCount < 4 ? [] : bytes.slice(4, bytes.byteCount))
            }
        }
        if bulk.kind == .verbatim, bulk.count < 4 {
            throw ProtocolViolation(message: "a verbatim string without a type")
        }
        try consume(bulk.count + 2)
        return value
    }

    /// The value that a line holds; nil if it opened a bulk string or an aggregate.
    private mutating func read(_ line: Line) throws(ProtocolViolation) -> Reply? {
        switch line.type {
        case "+": return .simple(line.text)
        case "-": return .error(line.text)
        case ":": return .integer(try line.integer())
        case ",": return .double(try line.double())
        case "#": return .boolean(try line.boolean())
        case "(": return .bigNumber(try line.bigNumber())
        case "_":
            guard line.text.isEmpty else { throw ProtocolViolation(message: "a null with content") }
            return .null
        case "$": return try openBulk(.bytes, line)
        case "!": return try openBulk(.error, line)
        case "=": return try openBulk(.verbatim, line)
        case "*": return try openAggregate(.array, line)
        case "~": return try openAggregate(.set, line)
        case "%": return try openAggregate(.map, line)
        case "|": return try openAggregate(.attribute, line)
        case ">":
            guard open.isEmpty else { throw ProtocolViolation(message: "a push within a reply") }
            return try openAggregate(.push, line)
        default: throw ProtocolViolation(message: "an unknown type of reply, byte \(line.typeByte)")
        }
    }

    private mutating func openBulk(_ kind: Bulk.Kind, _ line: Line) throws(ProtocolViolation) -> Reply? {
        let count = try line.integer()
        if count == -1, kind == .bytes { return .null }
        guard count >= 0 else { throw ProtocolViolation(message: "a bulk string of negative length") }
        guard count <= limits.bulk else {
            throw ProtocolViolation(message: "a bulk string of \(count) bytes, \(limits.bulk) are allowed")
        }
        bulk = Bulk(kind: kind, count: Int(count))
        return nil
    }

    private mutating func openAggregate(_ kind: Aggregate.Kind, _ line: Line) throws(ProtocolViolation) -> Reply? {
        let count = try line.integer()
        if count == -1, kind == .array { return .null }
        guard count >= 0 else { throw ProtocolViolation(message: "an aggregate of negative length") }
        guard count <= limits.elements else {
            throw ProtocolViolation(message: "an aggregate of \(count) elements, \(limits.elements) are allowed")
        }
        guard open.count < limits.depth else {
            throw ProtocolViolation(message: "aggregates nested deeper than \(limits.depth)")
        }
        let elements = kind == .map || kind == .attribute ? Int(count) * 2 : Int(count)
        let aggregate = Aggregate(kind: kind, missing: elements)
        if elements == 0 { return aggregate.reply }
        open.append(aggregate)
        return nil
    }

    /// Puts an element where it belongs; the whole reply if that was its last.
    private mutating func close(with element: Reply) throws(ProtocolViolation) -> Reply? {
        var element = element
        while var top = open.popLast() {
            top.elements.append(element)
            top.missing -= 1
            guard top.missing == 0 else {
                open.append(top)
                return nil
            }
            guard let reply = top.reply else { return nil }  // an attribute: what it describes follows
            element = reply
        }
        return element
    }
}

/// A bulk string whose header was read and whose bytes are awaited.
private struct Bulk {
    enum Kind { case bytes, error, verbatim }
    var kind: Kind
    var count: Int
}

/// An aggregate whose header was read and whose elements are awaited.
private struct Aggregate {
    enum Kind { case array, set, map, push, attribute }
    var kind: Kind
    var missing: Int
    var elements: [Reply] = []

    /// What it is once no element misses; nil for an attribute.
    var reply: Reply? {
        switch kind {
        case .array: .array(elements)
        case .set: .set(elements)
        case .push: .push(elements)
        case .attribute: nil
        case .map:
            .map(
                stride(from: 0, to: elements.count - 1, by: 2).map {
                    Reply.Entry(key: elements[$0], value: elements[$0 + 1])
                })
        }
    }
}
