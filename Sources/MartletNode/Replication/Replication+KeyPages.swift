internal import MartletCore
internal import MartletRuntime

/// What an owner answered to a question about its keys.
enum KeyPageAnswer: Sendable {
    case page(KeyPageReply)
    /// It does not count for the first of the slots now.
    case refused
    /// It could not be reached, or did not answer in time.
    case lost
}

/// A question that another node answers.
final class KeyPageInFlight {
    let node: UInt32
    var deadline: (any LoopTimer)?
    let answered: (KeyPageAnswer) -> Void

    init(node: UInt32, answered: @escaping (KeyPageAnswer) -> Void) {
        self.node = node
        self.answered = answered
    }
}

extension Replication {
    /// Records that one page looks at, at most: what a loop does between two others' turns.
    static let pageRecords = 4096

    /// Asks nodes, this one among them, about keys of theirs; `done` hears all answers together, in their order.
    func askPages(
        _ asks: [(node: UInt32, request: KeyPageRequest)], _ done: @escaping ([KeyPageAnswer]) -> Void
    ) {
        // Peers see this turn's writes first, as this node's replica did.
        sendRound()
        let gathered = GatheredAnswers(asks.count, done)
        for (index, ask) in asks.enumerated() {
            askPage(ask.request, of: ask.node) { gathered.take($0, at: index) }
        }
        if asks.isEmpty { done([]) }
    }

    private func askPage(
        _ request: KeyPageRequest, of node: UInt32, _ answered: @escaping (KeyPageAnswer) -> Void
    ) {
        if node == membership.node { return lookUp(request) { answered($0.isRefused ? .refused : .page($0)) } }
        let page = KeyPageInFlight(node: node, answered: answered)
        let id = newRequest()
        keyPages.add(page, as: id)
        guard transport.send(to: node, header(.keyPage, id), { request.append(to: &$0) }) else {
            return finish(page: id, .lost)
        }
        page.deadline = loop.schedule(after: Self.patience) { [self] in finish(page: id, .lost) }
    }

    func finish(page id: UInt64, _ answer: KeyPageAnswer) {
        guard let page = keyPages.remove(id) else { return }
        page.deadline?.cancel()
        page.answered(answer)
    }

    func receiveKeyPageReply(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        guard keyPages[header.request]?.node == peer.node else { return }
        do throws(ByteCursor.Malformed) {
            let reply = try KeyPageReply(payload)
            finish(page: header.request, reply.isRefused ? .refused : .page(reply))
        } catch {
            finish(page: header.request, .lost)
            throw error
        }
    }

    // MARK: Serving

    func serveKeyPage(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        let request = try KeyPageRequest(payload)
        lookUp(request) { [self] reply in
            _ = transport.reply(to: peer, self.header(.keyPageReply, header.request)) { reply.append(to: &$0) }
        }
    }

    /// Looks keys up here, once all that this worker was asked to write before is done: since messages of a node come
    /// in their order, it sees what was acknowledged by way of the one that asks.
    private func lookUp(_ request: KeyPageRequest, _ done: @escaping (KeyPageReply) -> Void) {
        if loads.isEmpty { return lookUpLoaded(request, done) }
        loads.wait { [self] in lookUpLoaded(request, done) }
    }

    private func lookUpLoaded(_ request: KeyPageRequest, _ done: @escaping (KeyPageReply) -> Void) {
        store.whenDone(store.newestCommit) { [self] _ in
            let state = store.keyspaces.first {
                $0.settings.id == request.keyspace && $0.generation == request.generation
            }
            guard let state, store.failure == nil else { return done(.refused) }
            let (slots, rest) = counting(request)
            guard !slots.isEmpty else { return done(.refused) }
            let limit = Int(clamping: request.limit)
            let stretch = KeyStretch(
                keyspace: state.settings.id, generation: state.generation, slots: slots, from: request.from,
                limit: request.countsOnly ? Self.pageRecords : min(limit, Self.pageRecords),
                wantsKeys: !request.countsOnly, now: store.clock.wallMicroseconds / 1000)
            lookUp(stretch, KeyPageReply(next: rest, seen: 0, live: 0, keys: []), done)
        }
    }

    /// Looks a stretch up, all of it page by page if only the number is asked for, added to what was `found` before;
    /// its `next` is where what was asked for goes on behind the stretch.
    private func lookUp(_ stretch: KeyStretch, _ found: KeyPageReply, _ done: @escaping (KeyPageReply) -> Void) {
        scan(stretch) { [self] page in
            guard let page else { return done(.refused) }
            var sum = page
            sum.seen += found.seen
            sum.live += found.live
            guard let next = page.next else {
                sum.next = found.next
                return done(sum)
            }
            guard !stretch.wantsKeys else { return done(sum) }
            sum.next = found.next
            var rest = stretch
            rest.from = next
            let (following, sofar) = (rest, sum)
            let me = Confined((self, done), on: loop)
            loop.post { me.value.0.lookUp(following, sofar, me.value.1) }
        }
    }

    private func scan(_ stretch: KeyStretch, _ done: @escaping (KeyPageReply?) -> Void) {
        store.readCommitted({ snapshot throws(StorageError) in try stretch.page(snapshot) }, done)
    }

    /// The part of the slots asked for, from its beginning, in which this replica counts, and where the rest begins.
    private func counting(_ request: KeyPageRequest) -> (slots: [Range<Int>], rest: UInt64?) {
        guard let machine = catchUp?.machine,
            let keyspace = store.keyspaces.firstIndex(where: { $0.settings.id == request.keyspace })
        else { return ([], nil) }
        var slots: [Range<Int>] = []
        for range in request.slots {
            let counted = range.prefix { slot in
                machine.unit(ofSlot: UInt16(slot), keyspace: keyspace) != nil
                    && machine.isCaughtUp(slot: UInt16(slot), keyspace: keyspace)
            }
            if !counted.isEmpty { slots.append(counted) }
            if counted.count < range.count { return (slots, UInt64(counted.upperBound) << 40) }
        }
        return (slots, nil)
    }
}

/// Work that waits for records on their way from a disk, in the order in which it began.
struct PendingLoads {
    private var open: Set<UInt64> = []
    private var last: UInt64 = 0
    private var waiters: [(last: UInt64, body: () -> Void)] = []

    /// - Parameter load: a greater number than any before.
    mutating func begin(_ load: UInt64) {
        last = load
        open.insert(load)
    }

    /// Ends what began; who waits no more by that.
    mutating func end(_ load: UInt64) -> [() -> Void] {
        open.remove(load)
        guard !waiters.isEmpty else { return [] }
        let ready = waiters.filter { waiter in !open.contains { $0 <= waiter.last } }
        waiters.removeAll { waiter in !open.contains { $0 <= waiter.last } }
        return ready.map(\.body)
    }

    var oldest: UInt64? { open.min() }

    /// Nothing has to be waited for.
    var isEmpty: Bool { open.isEmpty }

    /// Has `body` run once all that has begun until now has ended.
    mutating func wait(_ body: @escaping () -> Void) { waiters.append((last, body)) }
}
