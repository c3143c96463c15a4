internal import MartletCore
internal import MartletRuntime

/// What joins the ``SimulatedTransport``s of a simulation. Which faults it makes, and when, follows from the seed and
/// ``faults``; each is counted, and each sending, arrival, opening and break is in the trace.
public final class MessageNetwork: @unchecked Sendable {  // confined to the simulation's thread
    struct Endpoint: Hashable, Comparable {
        var node: UInt32
        var worker: Int
        static func < (a: Self, b: Self) -> Bool { (a.node, a.worker) < (b.node, b.worker) }
    }
    struct PairKey: Hashable, Comparable {
        var low: Endpoint
        var high: Endpoint
        init(_ a: Endpoint, _ b: Endpoint) { (low, high) = a < b ? (a, b) : (b, a) }
        static func < (a: Self, b: Self) -> Bool { a.low == b.low ? a.high < b.high : a.low < b.low }
    }
    struct WishKey: Hashable {
        var endpoint: Endpoint
        var peer: UInt32
    }
    /// A worker that wants a link to a node.
    final class Wish {
        let transport: SimulatedTransport
        let peer: UInt32
        var failures = 0
        var isScheduled = false
        init(_ transport: SimulatedTransport, _ peer: UInt32) {
            self.transport = transport
            self.peer = peer
        }
    }

    public let executor: SimulationExecutor
    /// What goes wrong from now on; may be changed at any moment outside of a loop's turn or in it.
    public var faults = FaultyLinks() {
        didSet { if faults.blocked != oldValue.blocked { partitionsChanged(oldValue.blocked) } }
    }
    public internal(set) var counters = LinkFaultCounters()

    let random: SeededRandomSource
    private var transports: [Endpoint: SimulatedTransport] = [:]
    private var workers: [UInt32: Int] = [:]
    private var links: [PairKey: SimulatedLink] = [:]
    private var wishes: [WishKey: Wish] = [:]
    private var lastSession: UInt64 = 0
    /// Which blocking of a way it is, so that a timeout does not strike a later one.
    private var blockings: [FaultyLinks.Direction: UInt64] = [:]
    private var lastBlocking: UInt64 = 0
    private var spare: [MessageBatch] = []

    public init(_ executor: SimulationExecutor) {
        self.executor = executor
        random = executor.random.split()
    }

    // MARK: Nodes

    /// A worker's transport; it takes the place of one that the same worker had before, as after a restart.
    ///
    /// - Parameter workers: how many workers the node has, each of which has its own.
    public func makeTransport(
        node: UInt32, incarnation: UInt64, worker: Int, of workers: Int, on loop: SimulatedEventLoop
    ) -> SimulatedTransport {
        precondition(worker >= 0 && worker < workers)
        let endpoint = Endpoint(node: node, worker: worker)
        if let former = transports[endpoint] { remove(former, isCrash: true) }
        let transport = SimulatedTransport(
            node: node, incarnation: incarnation, worker: worker, workers: workers, loop: loop, network: self)
        transports[endpoint] = transport
        self.workers[node] = workers
        return transport
    }

    /// Breaks all links of a node that crashed; its peers hear of it, it does not.
    public func crash(node: UInt32) {
        let gone = transports.filter { $0.key.node == node }.sorted { $0.key < $1.key }
        for (_, transport) in gone { remove(transport, isCrash: true) }
    }

    func remove(_ transport: SimulatedTransport, isCrash: Bool) {
        let endpoint = Endpoint(node: transport.node, worker: transport.worker)
        guard transports[endpoint] === transport else { return }
        transports[endpoint] = nil
        wishes = wishes.filter { $0.value.transport !== transport }
        let reason = isCrash ? StreamError("the peer crashed") : nil
        for key in links.keys.filter({ $0.low == endpoint || $0.high == endpoint }).sorted() {
            counters.ended += 1
            breakLink(key, reason)
        }
    }

    /// By node, what its present process has sent.
    var sentByNode: [UInt32: UInt64] {
        transports.reduce(into: [:]) { $0[$1.key.node, default: 0] += $1.value.sent }
    }

    // MARK: Opening

    func keep(_ transport: SimulatedTransport, to peer: UInt32) {
        let key = WishKey(endpoint: Endpoint(node: transport.node, worker: transport.worker), peer: peer)
        guard wishes[key] == nil else { return }
        let wish = Wish(transport, peer)
        wishes[key] = wish
        retry(wish, after: delay(from: transport.node, to: peer))
    }

    private func retry(_ wish: Wish, after delay: Duration) {
        guard !wish.isScheduled else { return }
        wish.isScheduled = true
        executor.schedule(after: delay) { [self] in
            wish.isScheduled = false
            attempt(wish)
        }
    }

    private func attempt(_ wish: Wish) {
        let mine = Endpoint(node: wish.transport.node, worker: wish.transport.worker)
        guard transports[mine] === wish.transport, !wish.transport.loop.isStopped else { return }
        let count = workers[wish.peer] ?? 1
        let theirs = Endpoint(node: wish.peer, worker: mine.worker % count)
        let key = PairKey(mine, theirs)
        guard links[key] == nil else { return }  // the other side was first
        guard let peer = transports[theirs], !peer.loop.isStopped,
            !faults.isBlocked(from: mine.node, to: wish.peer), !faults.isBlocked(from: wish.peer, to: mine.node)
        else {
            let bound = min(5_000_000_000, 50_000_000 << min(wish.failures, 7))
            wish.failures += 1
            return retry(wish, after: .nanoseconds(bound / 2 + random.below(bound / 2 + 1)))
        }
        wish.failures = 0
        lastSession += 1
        let link = SimulatedLink(number: lastSession, wish.transport, peer)
        links[key] = link
        counters.opened += 1
        for end in link.ends {
            executor.schedule(after: delay(from: end.session.node, to: end.transport.node)) { [self] in
                end.transport.loop.input { [self] in open(end) }
            }
        }
    }

    private func open(_ end: SimulatedLinkEnd) {
        guard !end.isOpen, !end.link.isBroken else { return }
        end.isOpen = true
        executor.note(.open, lane: end.transport.loop.lane, detail: end.link.number)
        end.transport.opened(end)
    }

    // MARK: Messages

    func emptyBatch() -> MessageBatch { spare.popLast() ?? MessageBatch() }

    private func recycle(_ batch: MessageBatch) {
        batch.clear()
        if spare.count < 64, batch.bytes.capacity <= 1 << 20 { spare.append(batch) }
    }

    /// Messages of a link that is broken, whose end does not know it yet.
    func drop(_ batch: MessageBatch) {
        counters.dropped += UInt64(batch.entries.count)
        recycle(batch)
    }

    private func delay(from: UInt32, to: UInt32) -> Duration {
        let latency = faults.latency
        let own = Duration.nanoseconds(latency.lowerBound + random.below(latency.upperBound - latency.lowerBound + 1))
        guard !faults.clogged.isEmpty else { return own }
        return own + (faults.clogged[FaultyLinks.Direction(from: from, to: to)] ?? .zero)
    }

    /// Sends a turn's messages on their way, or to their fate.
    func dispatch(_ batch: MessageBatch, from end: SimulatedLinkEnd) {
        let mixed = batch.entries.reduce(end.link.number) { mixed, entry in
            let header = entry.header
            return (mixed &+ header.request ^ header.stamp ^ UInt64(header.kind.rawValue)) &* 0x9E37_79B9_7F4A_7C15
        }
        let hash = batch.bytes.withBytes { XXH3.hash($0, seed: mixed) }
        executor.note(.send, lane: end.transport.loop.lane, detail: hash)
        end.messagesUnderway += batch.entries.count
        if faults.resets > 0, random.happens(faults.resets) {
            counters.resets += 1
            executor.note(.fault, lane: end.transport.loop.lane, detail: 1)
            return breakLink(key(of: end), StreamError("connection reset by a fault"))
        }
        if faults.loss + faults.duplication + faults.reordering > 0 { drawFates(batch, end) }
        if !batch.entries.isEmpty { travel(batch, from: end, inOrder: true) } else { recycle(batch) }
    }

    private func drawFates(_ batch: MessageBatch, _ end: SimulatedLinkEnd) {
        var kept: [MessageBatch.Entry] = []
        for entry in batch.entries {
            let drawn = Double(random.next() >> 11) * 0x1p-53
            if drawn < faults.loss {
                counters.lost += 1
                executor.note(.fault, lane: end.transport.loop.lane, detail: 2)
                end.settle(messages: 1, bytes: entry.payload.count + Frame.headerLength)
            } else if drawn < faults.loss + faults.duplication {
                counters.duplicated += 1
                executor.note(.fault, lane: end.transport.loop.lane, detail: 3)
                kept.append(entry)
                stray(batch, entry, end, isCopy: true)
            } else if drawn < faults.loss + faults.duplication + faults.reordering {
                counters.reordered += 1
                executor.note(.fault, lane: end.transport.loop.lane, detail: 4)
                stray(batch, entry, end, isCopy: false)
            } else {
                kept.append(entry)
            }
        }
        batch.entries = kept
    }

    /// Sends one message on its own way, which may be longer or shorter than that of the others.
    private func stray(
        _ batch: MessageBatch, _ entry: MessageBatch.Entry, _ end: SimulatedLinkEnd, isCopy: Bool
    ) {
        let single = emptyBatch()
        batch.bytes.withBytes(entry.payload) { single.bytes.append($0) }
        single.entries = [MessageBatch.Entry(header: entry.header, payload: 0..<entry.payload.count)]
        single.isCopy = isCopy
        travel(single, from: end, inOrder: false)
    }

    private func travel(_ batch: MessageBatch, from end: SimulatedLinkEnd, inOrder: Bool) {
        let (from, to) = (end.transport.node, end.session.node)
        if faults.isBlocked(from: from, to: to) { return hold(batch, end) }
        if faults.clogged[FaultyLinks.Direction(from: from, to: to)] != nil {
            counters.clogged += UInt64(batch.entries.count)
        }
        var arrival = executor.now.advanced(by: delay(from: from, to: to))
        if inOrder {
            arrival = max(arrival, end.lastArrival)
            end.lastArrival = arrival
        } else {
            arrival = arrival.advanced(by: .nanoseconds(random.below(4 * faults.latency.upperBound + 1)))
        }
        executor.schedule(after: arrival.since(executor.now)) { [self] in
            if faults.isBlocked(from: from, to: to), !end.link.isBroken { return hold(batch, end) }
            guard let other = end.other, !end.link.isBroken else { return recycle(batch) }
            other.transport.loop.input { [self] in deliver(batch, from: end, to: other) }
        }
    }

    private func hold(_ batch: MessageBatch, _ end: SimulatedLinkEnd) {
        counters.held += UInt64(batch.entries.count)
        executor.note(.fault, lane: end.transport.loop.lane, detail: 5)
        end.held.append(batch)
    }

    private func deliver(_ batch: MessageBatch, from end: SimulatedLinkEnd, to other: SimulatedLinkEnd) {
        defer { recycle(batch) }
        guard !end.link.isBroken else { return }
        open(other)  // messages may overtake the news that the link is open
        executor.note(.receive, lane: other.transport.loop.lane, detail: UInt64(batch.entries.count))
        if !batch.isCopy { end.settle(messages: batch.entries.count, bytes: batch.size) }
        for (index, entry) in batch.entries.enumerated() {
            guard !end.link.isBroken, let receiver = other.transport.receiver else {
                counters.dropped += UInt64(batch.entries.count - index)
                return
            }
            counters.delivered += 1
            batch.bytes.withBytes(entry.payload) { receiver.received(entry.header, $0, from: other.session) }
        }
    }

    // MARK: Breaking

    private func key(of end: SimulatedLinkEnd) -> PairKey {
        let other = end.other?.transport
        return PairKey(
            Endpoint(node: end.transport.node, worker: end.transport.worker),
            Endpoint(node: end.session.node, worker: other?.worker ?? 0))
    }

    /// Breaks a link: what is on its way is lost, and each end hears of it at its own time and connects again.
    private func breakLink(_ key: PairKey, _ reason: StreamError?) {
        guard let link = links.removeValue(forKey: key) else { return }
        counters.dropped += UInt64(link.breakUp())
        var deaf = link.ends.count
        for end in link.ends {
            executor.schedule(after: delay(from: end.session.node, to: end.transport.node)) { [self] in
                end.transport.loop.input { [self] in lose(end, reason) }
                deaf -= 1
                if deaf == 0 { link.release() }
            }
        }
        for (endpoint, peer) in [(key.low, key.high.node), (key.high, key.low.node)] {
            guard let wish = wishes[WishKey(endpoint: endpoint, peer: peer)] else { continue }
            retry(wish, after: .milliseconds(25 + random.below(26)))
        }
    }

    private func lose(_ end: SimulatedLinkEnd, _ reason: StreamError?) {
        guard end.isOpen else { return }
        end.isOpen = false
        executor.note(.reset, lane: end.transport.loop.lane, detail: end.link.number)
        end.transport.lost(end, reason)
    }

    private func partitionsChanged(_ former: Set<FaultyLinks.Direction>) {
        for way in former.subtracting(faults.blocked).sorted() {
            blockings[way] = nil
            for end in ends(on: way) {
                let batches = end.held
                end.held = []
                for batch in batches { travel(batch, from: end, inOrder: true) }
            }
        }
        for way in faults.blocked.subtracting(former).sorted() {
            lastBlocking += 1
            let number = lastBlocking
            blockings[way] = number
            executor.schedule(after: faults.idleTimeout) { [self] in
                guard blockings[way] == number else { return }
                for end in ends(on: way) {
                    counters.timeouts += 1
                    executor.note(.fault, lane: end.transport.loop.lane, detail: 6)
                    breakLink(key(of: end), StreamError("nothing was heard for \(faults.idleTimeout)"))
                }
            }
        }
    }

    /// The sending ends of all links that one way belongs to.
    private func ends(on way: FaultyLinks.Direction) -> [SimulatedLinkEnd] {
        var found: [SimulatedLinkEnd] = []
        for mine in 0..<(workers[way.from] ?? 0) {
            for theirs in 0..<(workers[way.to] ?? 0) {
                let pair = PairKey(Endpoint(node: way.from, worker: mine), Endpoint(node: way.to, worker: theirs))
                found += links[pair]?.ends.filter { $0.transport.node == way.from } ?? []
            }
        }
        return found
    }
}
