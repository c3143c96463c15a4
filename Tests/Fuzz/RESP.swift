import MartletCore
import MartletServer

/// The bytes as a client's, whole and then split, must give the same commands.
func fuzzCommands(_ bytes: [UInt8]) {
    let whole = commands(in: bytes, pieces: [bytes.count])
    let split = bytes.first.map { Int($0) % max(1, bytes.count) } ?? 0
    precondition(whole == commands(in: bytes, pieces: [split, bytes.count - split]))
}

/// The arguments of all commands that come out when the bytes arrive in these pieces, and how it ended.
func commands(in bytes: [UInt8], pieces: [Int]) -> [[[UInt8]]] {
    var parser = RESPParser()
    var input = ByteBuffer()
    var found: [[[UInt8]]] = []
    var arguments: [Range<Int>] = []
    var position = 0
    for piece in pieces {
        input.append(Array(bytes[position..<position + piece]))
        position += piece
        var isIncomplete = false
        while !isIncomplete {
            let (step, values) = input.withBytes { input -> (RESPParser.Step, [[UInt8]]) in
                let step = parser.next(input, at: 0, into: &arguments)
                if case .command = step {
                    return (step, arguments.map { input.slice($0.lowerBound, $0.upperBound) })
                }
                return (step, [])
            }
            switch step {
            case .command(let end):
                if !values.isEmpty { found.append(values) }
                input.consume(end)
            case .inline(let end):
                let words = arguments.map { Array(parser.inlineBytes[$0]) }
                if !words.isEmpty { found.append(words) }
                input.consume(end)
            case .malformed(let reply):
                found.append([Array(reply.utf8)])
                return found
            case .incomplete:
                isIncomplete = true
            }
        }
    }
    return found
}
