/// The keys of a keyspace as an asynchronous sequence; see ``MartletClient/scan(match:pageSize:deadline:)``.
///
/// Each iteration is a scan of its own. It holds one page.
public struct KeyScan: AsyncSequence, Sendable {
    public typealias Element = MartletKey
    public typealias Failure = MartletError

    let client: MartletClient
    let match: String?
    let pageSize: Int
    let deadline: Duration?

    public func makeAsyncIterator() -> Iterator { Iterator(scan: self) }

    public struct Iterator: AsyncIteratorProtocol {
        public typealias Failure = MartletError

        let scan: KeyScan
        private var page: [MartletKey] = []
        private var position = 0
        /// Where the next page begins; nil once the last one was read.
        private var cursor: String? = "0"

        init(scan: KeyScan) { self.scan = scan }

        public mutating func next() async throws(MartletError) -> MartletKey? {
            try await next(isolation: #isolation)
        }

        /// The next key; asks for a page where none is left.
        public mutating func next(isolation: isolated (any Actor)?) async throws(MartletError) -> MartletKey? {
            while position == page.count {
                guard let cursor else { return nil }
                let answer = try await scan.client.page(
                    from: cursor, match: scan.match, pageSize: scan.pageSize, deadline: scan.deadline)
                page = answer.keys
                position = 0
                self.cursor = answer.cursor
            }
            defer { position += 1 }
            return page[position]
        }
    }
}
