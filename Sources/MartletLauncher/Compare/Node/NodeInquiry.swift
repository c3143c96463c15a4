internal import MartletCore
internal import MartletRuntime

/// Single questions to a running node, outside of what is measured.
enum NodeInquiry {
    /// The lines `name:value` with whole numbers that INFO answers for Martlet and the backend, or in other sections.
    static func counters(
        of address: SocketAddress, sections: [String] = ["martlet", "backend"]
    ) throws(DriverError) -> [(name: String, value: Int)] {
        var counters: [(name: String, value: Int)] = []
        for section in sections {
            for line in try ask(["INFO", section], address).split(whereSeparator: \.isNewline) {
                let parts = line.split(separator: ":", maxSplits: 1)
                guard parts.count == 2, let value = Int(parts[1]) else { continue }
                let name = String(parts[0])
                if !counters.contains(where: { $0.name == name }) { counters.append((name, value)) }
            }
        }
        return counters
    }

    /// The number of keys.
    static func keys(of address: SocketAddress) throws(DriverError) -> Int {
        Int(try ask(["DBSIZE"], address)) ?? 0
    }

    private static func ask(_ words: [String], _ address: SocketAddress) throws(DriverError) -> String {
        let socket = try LoadSocket(to: address)
        socket.output.append("*\(words.count)\r\n")
        for word in words { socket.output.append("$\(word.utf8.count)\r\n\(word)\r\n") }
        var readiness = Readiness()
        try readiness.add(socket.descriptor)
        for _ in 0..<100 {
            try socket.flush()
            try readiness.wait(100_000_000)
            guard try socket.receive() > 0 else { continue }
            let answer = try socket.input.withBytes { (input: RawSpan) throws(DriverError) -> String? in
                var offset = 0
                return switch try ReplyScanner.next(in: input, at: &offset) {
                case .bulk(let range): input.extracting(range).text
                case .integer(let number): String(number)
                case .status, .null, .error: ""
                case nil: nil
                }
            }
            if let answer { return answer }
        }
        throw DriverError("the node did not answer \(words.joined(separator: " "))")
    }
}
