/// Writes a command as RESP asks of clients: an array of bulk strings.
struct CommandEncoder {
    private var body: [UInt8] = []
    private var count = 0

    init(_ name: String) {
        body.reserveCapacity(128)
        append(name)
    }

    mutating func append(_ argument: [UInt8]) {
        begin(argument.count)
        body += argument
        end()
    }

    mutating func append(_ argument: String) {
        begin(argument.utf8.count)
        body += argument.utf8
        end()
    }

    mutating func append(_ argument: Int64) { append(String(argument)) }

    /// The command's bytes. O(length).
    var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(body.count + 12)
        result.append(UInt8(ascii: "*"))
        result += String(count).utf8
        result += [13, 10]
        result += body
        return result
    }

    private mutating func begin(_ length: Int) {
        count += 1
        body.append(UInt8(ascii: "$"))
        body += String(length).utf8
        body += [13, 10]
    }

    private mutating func end() { body += [13, 10] }
}
