import MartletCore

/// Error replies that several commands share, in Redis' words.
enum Refusal {
    static let syntax: StaticString = "ERR syntax error"
    static let notAnInteger: StaticString = "ERR value is not an integer or out of range"
    static let notAFloat: StaticString = "ERR value is not a valid float"
    static let noSuchKey: StaticString = "ERR no such key"
    static let sameObject: StaticString = "ERR source and destination objects are the same"
    static let database: StaticString = "ERR DB index is out of range"
    static let wrongPassword: StaticString = "WRONGPASS invalid username-password pair or user is disabled."
    static let clientName: StaticString =
        "ERR Client names cannot contain spaces, newlines or special characters."
    static let memory: StaticString = "OOM command not allowed when used memory > 'maxmemory'."
    static let backlog: StaticString = "BUSY the disk does not keep up; nothing was applied, try again later"
    static let standstill: StaticString = "BUSY this node stood still for a while; nothing was applied, try again"
    static let tooMuch: StaticString = "BUSY too many commands are under way; nothing was applied, try again later"
    static let noPassword: StaticString = """
        ERR AUTH <password> called without any password configured for the default user. \
        Are you sure your configuration is correct?
        """
}

extension ReplyWriter {
    /// An error whose whole text is ours.
    mutating func refuse(_ text: StaticString) {
        buffer.append(UInt8(ascii: "-"))
        buffer.append(text)
        buffer.append("\r\n")
    }

    /// An error that quotes what the client sent, see ``quote(_:limit:)``.
    mutating func refuse(_ before: StaticString, quoting argument: RawSpan, limit: Int = .max, _ after: StaticString) {
        buffer.append(UInt8(ascii: "-"))
        buffer.append(before)
        quote(argument, limit: limit)
        buffer.append(after)
        buffer.append("\r\n")
    }

    mutating func refuseArity(_ name: String) {
        buffer.append("-ERR wrong number of arguments for '")
        buffer.append(name)
        buffer.append("' command\r\n")
    }

    /// As C's `%.*s`: up to `limit` bytes and to the first NUL. CR and LF become spaces, so that nobody writes replies
    /// of their own into the stream. Returns how many bytes it appended.
    @discardableResult
    mutating func quote(_ argument: RawSpan, limit: Int) -> Int {
        let end = Swift.min(limit, argument.byteCount)
        for offset in 0..<end {
            let byte = argument.byte(offset)
            if byte == 0 { return offset }
            buffer.append(byte == 13 || byte == 10 ? 32 : byte)
        }
        return end
    }

    /// Redis' answer to a command it has not: the name and the arguments' first 128 bytes.
    mutating func refuseUnknown(_ input: RawSpan, _ arguments: [Range<Int>]) {
        buffer.append("-ERR unknown command '")
        quote(input.extracting(arguments[0]), limit: 128)
        buffer.append("', with args beginning with: ")
        var length = 0
        for argument in arguments.dropFirst() where length < 128 {
            buffer.append(UInt8(ascii: "'"))
            length += quote(input.extracting(argument), limit: 128 - length) + 3
            buffer.append("' ")
        }
        buffer.append("\r\n")
    }

    mutating func refuseSubcommand(of container: String, _ subcommand: RawSpan) {
        buffer.append("-ERR unknown subcommand '")
        quote(subcommand, limit: 128)
        buffer.append("'. Try ")
        buffer.append(container.uppercased())
        buffer.append(" HELP.\r\n")
    }

    /// The lines of a HELP subcommand in Redis' frame.
    mutating func help(_ container: String, _ lines: [StaticString]) {
        array(lines.count + 3)
        buffer.append("+\(container) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n")
        for line in lines { simple(line) }
        simple("HELP")
        simple("    Prints this help.")
    }
}
