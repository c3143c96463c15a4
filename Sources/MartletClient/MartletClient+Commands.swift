extension MartletClient {
    /// Where it has connections, or last had: for the project's own tests.
    package var portsInUse: [String] { get async { await router.addressesInUse } }

    /// Sends any command that changes nothing and returns its reply: for the project's own tools and tests.
    ///
    /// - Throws: ``MartletError``, an error reply included.
    package func call(_ words: [String], deadline: Duration? = nil) async throws(MartletError) -> Reply {
        try await call(words.map { Array($0.utf8) }, deadline: deadline)
    }

    /// The same for words that are no text.
    package func call(_ words: [[UInt8]], deadline: Duration? = nil) async throws(MartletError) -> Reply {
        guard let name = words.first else { throw MartletError(.badArgument, .notApplied, "a command has a name") }
        var command = CommandEncoder(String(decoding: name, as: UTF8.self))
        for word in words.dropFirst() { command.append(word) }
        return try await perform(
            Request(command: command.bytes, shape: .any, isWrite: false, deadline: deadline))
    }
}
