internal import MartletCore
internal import MartletRuntime

/// Messages of one turn on their way to one peer.
final class MessageBatch {
    struct Entry {
        var header: MessageHeader
        var payload: Range<Int>
    }
    var bytes = ByteBuffer()
    var entries: [Entry] = []
    /// What was sent twice is counted as unsent once.
    var isCopy = false

    var size: Int { entries.reduce(0) { $0 + $1.payload.count + Frame.headerLength } }

    func clear() {
        isCopy = false
        bytes.removeAll()
        entries.removeAll(keepingCapacity: true)
    }
}

/// One session of a link between two workers of two nodes.
final class SimulatedLink {
    let number: UInt64
    private(set) var ends: [SimulatedLinkEnd] = []
    /// Neither end sends or takes anything more.
    private(set) var isBroken = false

    init(number: UInt64, _ a: SimulatedTransport, _ b: SimulatedTransport) {
        self.number = number
        ends = [
            SimulatedLinkEnd(self, a, toward: b, number: number), SimulatedLinkEnd(self, b, toward: a, number: number),
        ]
        ends[0].join(ends[1])
        ends[1].join(ends[0])
    }

    /// Takes the two ends apart.
    ///
    /// - Returns: messages that are lost with it.
    func breakUp() -> Int {
        isBroken = true
        return ends.reduce(0) { $0 + $1.breakUp() }
    }

    /// Forgets the ends once both have heard of its end, so that nothing is held in a circle.
    func release() {
        for end in ends { end.join(nil) }
        ends = []
    }
}

/// A worker's end of a link.
final class SimulatedLinkEnd {
    let link: SimulatedLink
    let transport: SimulatedTransport
    /// Who is at the other end.
    let session: PeerSession
    /// Whether messages to the peer's node go by it.
    let isPrimary: Bool
    private(set) var other: SimulatedLinkEnd?
    /// Whether its transport knows of it and can send.
    var isOpen = false
    /// Bytes written and not yet delivered.
    private(set) var unsentBytes = 0
    /// Messages dispatched and not yet delivered.
    var messagesUnderway = 0
    /// What this turn has written.
    private var batch: MessageBatch?
    /// What waits for a partition's end, in order.
    var held: [MessageBatch] = []
    /// When the last batch arrives: no later one overtakes it.
    var lastArrival = MonotonicTime(nanoseconds: 0)

    init(_ link: SimulatedLink, _ transport: SimulatedTransport, toward peer: SimulatedTransport, number: UInt64) {
        self.link = link
        self.transport = transport
        session = PeerSession(node: peer.node, incarnation: peer.incarnation, session: number)
        isPrimary = peer.worker == transport.worker % peer.workers
    }

    private var network: MessageNetwork { transport.network }

    func join(_ other: SimulatedLinkEnd?) { self.other = other }

    /// Adds a message to what the turn sends. A broken link takes it, too, until its end has heard of the break.
    ///
    /// - Returns: false, with nothing added, if it is too long.
    func append(_ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool {
        let batch = batch ?? network.emptyBatch()
        if self.batch == nil {
            self.batch = batch
            transport.loop.atTurnEnd { [self] in flush() }
        }
        let start = batch.bytes.count
        body(&batch.bytes)
        let length = batch.bytes.count - start
        guard length <= Frame.longest - Frame.headerLength else {
            batch.bytes.truncate(to: start)
            return false
        }
        batch.entries.append(MessageBatch.Entry(header: header, payload: start..<start + length))
        unsentBytes += length + Frame.headerLength
        network.counters.sent += 1
        return true
    }

    private func flush() {
        guard let batch else { return }
        self.batch = nil
        guard !link.isBroken else { return network.drop(batch) }
        if !batch.entries.isEmpty { network.dispatch(batch, from: self) }
    }

    /// Takes note that messages have left: delivered, or lost.
    func settle(messages: Int, bytes: Int) {
        messagesUnderway -= messages
        unsentBytes -= bytes
    }

    fileprivate func breakUp() -> Int {
        held = []
        defer { messagesUnderway = 0 }
        return messagesUnderway
    }
}
