internal import MartletCore
internal import MartletRuntime

/// A page that this node exchanges with a peer.
final class CatchUpPageInFlight {
    let id: UInt64
    /// Since when it is under way, as operations are counted.
    let began: UInt64
    let node: UInt32
    let keyspace: Int
    let slots: [Range<Int>]
    let from: [UInt8]
    /// All that was committed by then is in the listing.
    let listed: RecordStore.ListingPoint
    /// Whether the peer's answer was taken: then what the listing does not show is of no concern any more.
    var isTaken = false
    /// What anti-entropy asked for; nil for a page of catching up. Its key is where the exchange ends at the latest.
    var range: MerkleRange?
    var limit: [UInt8] = []
    /// Bytes moved, both ways.
    var bytes = 0
    var listing = CatchUpListing()
    /// Up to where the peer compared.
    var upTo: [UInt8] = []
    /// Keys whose records are still to be sent.
    var wanted: [[UInt8]] = []

    init(
        id: UInt64, began: UInt64, node: UInt32, keyspace: Int, slots: [Range<Int>], from: [UInt8],
        listed: RecordStore.ListingPoint
    ) {
        self.id = id
        self.began = began
        self.node = node
        self.keyspace = keyspace
        self.slots = slots
        self.from = from
        self.listed = listed
    }

    /// Whether a stored key of this page's keyspace is known not to have been stored as the page was listed. O(log n).
    func isUnlisted(_ key: RawSpan) -> Bool {
        guard listing.damaged.isEmpty, withBytes(of: from, { $0.compare(key) }) <= 0,
            listing.upTo.isEmpty || withBytes(of: listing.upTo, { $0.compare(key) }) > 0
        else { return false }
        let at = listing.keys.partitionIndex { withBytes(of: $0) { $0.compare(key) } < 0 }
        return at == listing.keys.count || !withBytes(of: listing.keys[at]) { $0.equals(key) }
    }
}

/// What this node asks: list what is held, take what the peer has otherwise, send what it wants.
extension CatchUp {
    /// Keys whose records are read and sent together.
    private static let chunk = 64

    /// Of identifiers of anti-entropy's pages.
    private static let treeBit: UInt64 = 1 << 63

    /// Exchanges what this node and another hold in a range, a page of it at most; anti-entropy hears how far it came.
    func exchange(_ range: MerkleRange, with node: UInt32, id: UInt64) {
        let keyspace = machine.units[range.unit].keyspace
        let state = store.keyspaces[keyspace]
        let page = CatchUpPageInFlight(
            id: id | Self.treeBit, began: replication.newRequest(), node: node, keyspace: keyspace,
            slots: [range.slots], from: range.from(keyspace: state.settings.id, generation: state.generation),
            listed: store.listingPoint)
        page.range = range
        page.limit = range.upTo(keyspace: state.settings.id, generation: state.generation)
        begin(page)
    }

    func begin(_ page: CatchUpPageInFlight) {
        if page.range == nil {
            pages[page.node] = page
            count { $0.pages += 1 }
        } else {
            treePages[page.node] = page
        }
        let state = store.keyspaces[page.keyspace]
        let stretch = CatchUpStretch(
            keyspace: state.settings.id, generation: state.generation, slots: page.slots, from: page.from,
            upTo: page.limit, entries: machine.settings.pageEntries, bytes: machine.settings.pageBytes)
        let (node, id) = (page.node, page.id)
        scan({ snapshot throws(StorageError) in try stretch.list(snapshot) }) { me, listing in
            guard let page = me.current(node, id) else { return }
            guard let listing else { return me.fail(page) }
            me.heal(listing.damaged)
            page.listing = listing
            if listing.upTo.isEmpty { page.listing.upTo = page.limit }
            me.send(page, stretch)
        }
    }

    private func send(_ page: CatchUpPageInFlight, _ stretch: CatchUpStretch) {
        let listing = page.listing
        let message = CatchUpPage(
            keyspace: stretch.keyspace, generation: stretch.generation, slots: page.slots, from: page.from,
            upTo: listing.upTo, count: listing.keys.count)
        let header = replication.header(.catchUpPage, page.id)
        let isSent = replication.transport.send(to: page.node, header) { buffer in
            let before = buffer.count
            defer { page.bytes += buffer.count - before + Frame.headerLength }
            message.append(to: &buffer)
            for (key, digest) in zip(listing.keys, listing.digests) {
                withBytes(of: key) { CatchUpPage.append(key: $0, digest: digest, to: &buffer) }
            }
        }
        if !isSent { fail(page) }
    }

    /// When the page under way began that began first.
    var oldestPage: UInt64? { (pages.values.map(\.began) + treePages.values.map(\.began)).min() }

    func current(_ node: UInt32, _ id: UInt64) -> CatchUpPageInFlight? {
        let page = id & Self.treeBit == 0 ? pages[node] : treePages[node]
        guard !isStopped, let page, page.id == id else { return nil }
        return page
    }

    /// Ends pages and comparisons that the machine gave up: their link closed, or they took too long.
    func endGivenUp() {
        for (node, page) in pages where machine.underWay(with: node) != page.id { pages[node] = nil }
        for (node, comparison) in comparisons where machine.underWay(with: node) != comparison.id {
            comparisons[node] = nil
        }
    }

    /// The same of anti-entropy's pages.
    func endTreePages(unless isUnderWay: (_ id: UInt64, UInt32) -> Bool) {
        for (node, page) in treePages where !isUnderWay(page.id & ~Self.treeBit, node) { treePages[node] = nil }
    }

    func fail(_ page: CatchUpPageInFlight) {
        if page.range != nil {
            treePages[page.node] = nil
            replication.antiEntropy?.fail(page.id & ~Self.treeBit, page.node)
            return
        }
        pages[page.node] = nil
        count { $0.failures += 1 }
        receive(.failed(page.node, id: page.id))
    }

    /// Takes what the peer has otherwise, and goes on once that is as durable as all this node acknowledges.
    func receiveReply(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        guard let page = current(peer.node, header.request) else { return }
        let reply: CatchUpPageReply
        do throws(ByteCursor.Malformed) {
            reply = try CatchUpPageReply(payload, entries: page.listing.keys.count)
        } catch {
            fail(page)
            throw error
        }
        page.bytes += payload.byteCount + Frame.headerLength
        guard !reply.isRefused, isProgress(reply.upTo, page) else { return fail(page) }
        page.upTo = reply.upTo.isEmpty ? page.listing.upTo : reply.upTo
        page.wanted = reply.wanted.map { page.listing.keys[$0] }
        var records: [KeyedRecord] = []
        var entries = reply.records()
        while let entry = try entries.next(of: payload) {
            let slot = Int(payload.extracting(entry.key).bigEndian(9, as: UInt16.self))
            guard page.slots.contains(where: { $0.contains(slot) }) else { return fail(page) }
            records.append(entry)
        }
        if page.range == nil {
            count { $0.received += UInt64(records.count) }
        } else {
            replication.antiEntropy?.counters.received += UInt64(records.count)
        }
        let bytes = payload.array
        let bulk = takeUnheld(&records, bytes, page)
        let (taken, node, id) = (records, page.node, page.id)
        let require = { [store] (residency: Residency) in
            withBytes(of: bytes) { store.require(taken, of: $0, in: residency) }
        }
        replication.whenResident(require) { [self] in
            var commit = bulk
            var isTaken = true
            withBytes(of: bytes) { bytes in
                for entry in taken {
                    let outcome = replication.mergeExchanged(
                        bytes.extracting(entry.record), bytes.extracting(entry.key), replication.ownDurability,
                        commit: &commit)
                    if case .refused = outcome { isTaken = false }
                }
            }
            store.whenDone(commit) { [self, isTaken] error in
                guard let page = current(node, id) else { return }
                guard error == nil, isTaken, !store.hasFailed(bulk) else { return fail(page) }
                sendWanted(page)
            }
        }
    }

    /// Takes the records of which nothing is held, which are all where a replica lost its data, as they are, and leaves
    /// the others, and what is not to be taken, to be merged one by one.
    ///
    /// - Returns: the commit to wait for; 0 for none.
    private func takeUnheld(_ records: inout [KeyedRecord], _ bytes: [UInt8], _ page: CatchUpPageInFlight) -> UInt64 {
        defer {
            page.isTaken = true
            keepListed()
        }
        guard !store.isInline, !page.isTaken, store.keepsAll(since: page.listed), !store.load.isMemoryFull,
            !store.load.isBacklogged
        else { return 0 }
        var (unheld, others): ([KeyedRecord], [KeyedRecord]) = ([], [])
        withBytes(of: bytes) { bytes in
            let hashes = records.map { store.hash(ofStored: bytes.extracting($0.key)) }
            store.table.touch(hashes)
            for (entry, hash) in zip(records, hashes) {
                let key = bytes.extracting(entry.key)
                let isAscending = unheld.last.map { bytes.extracting($0.key).compare(key) < 0 } ?? true
                let isUnheld =
                    isAscending && store.keyspace(ofStored: key) == page.keyspace && page.isUnlisted(key)
                    && !store.holds(key, hash: hash)
                    && (try? RecordValidator.validate(bytes.extracting(entry.record), storedKey: key)) != nil
                if isUnheld { unheld.append(entry) } else { others.append(entry) }
            }
        }
        guard !unheld.isEmpty else { return 0 }
        willWrite()
        let commit = try? store.takeBulk(
            bytes, unheld, keyspace: page.keyspace, durability: replication.ownDurability)
        guard let commit else { return 0 }
        records = others
        return commit
    }

    private func isProgress(_ upTo: [UInt8], _ page: CatchUpPageInFlight) -> Bool {
        guard !upTo.isEmpty else { return true }
        let slot = Int(withBytes(of: upTo) { $0.bigEndian(9, as: UInt16.self) })
        return page.from.lexicographicallyPrecedes(upTo) && page.slots.contains { $0.contains(slot) }
            && (page.listing.upTo.isEmpty || !page.listing.upTo.lexicographicallyPrecedes(upTo))
    }

    /// Sends a few of the records that the peer wants, or ends the page if there are no more.
    private func sendWanted(_ page: CatchUpPageInFlight) {
        guard !page.wanted.isEmpty else {
            if let range = page.range { return finish(page, range) }
            pages[page.node] = nil
            return receive(.exchanged(page.node, id: page.id, upTo: page.upTo.isEmpty ? nil : page.upTo))
        }
        let keys = Array(page.wanted.prefix(Self.chunk))
        let (node, id) = (page.node, page.id)
        replication.whenResident(keys) { [self] in
            guard let page = current(node, id) else { return }
            var (records, size, taken): ([(key: [UInt8], record: [UInt8])], Int, Int) = ([], 0, 0)
            for key in keys where size < machine.settings.pageBytes {
                taken += 1
                switch try? withBytes(of: key, { key throws(StorageError) in try store.held(key) }) {
                case .record(let record, _)?:
                    records.append((key, record))
                    size += key.count + record.count
                case .some(.none): withBytes(of: key) { store.doubt($0) }  // it was listed as stored
                case .damaged?, nil: break
                }
            }
            page.wanted.removeFirst(taken)
            guard !records.isEmpty else { return sendWanted(page) }
            if page.range == nil {
                count { $0.sent += UInt64(records.count) }
            } else {
                replication.antiEntropy?.counters.sent += UInt64(records.count)
            }
            let isSent = replication.transport.send(to: node, replication.header(.catchUpRecords, id)) { buffer in
                let before = buffer.count
                defer { page.bytes += buffer.count - before + Frame.headerLength }
                ReplicaWrite.begin(.repair, durability: .none, count: records.count, in: &buffer)
                for (key, record) in records {
                    withBytes(of: key) { key in
                        withBytes(of: record) { ReplicaWrite.append(key: key, record: $0, to: &buffer) }
                    }
                }
            }
            if !isSent { fail(page) }
        }
    }

    /// Ends a page of anti-entropy's.
    private func finish(_ page: CatchUpPageInFlight, _ range: MerkleRange) {
        treePages[page.node] = nil
        let isDone = page.upTo.isEmpty || page.upTo == page.limit
        let place = isDone ? nil : withBytes(of: page.upTo) { StoredKey.place(of: $0) }
        replication.antiEntropy?.counters.bytes += UInt64(page.bytes)
        replication.antiEntropy?.receive(
            .exchanged(page.node, id: page.id & ~Self.treeBit, upTo: place, bytes: page.bytes))
    }

    func receiveRecordsReply(_ header: MessageHeader, _ peer: PeerSession) {
        guard let page = current(peer.node, header.request) else { return }
        sendWanted(page)
    }

    // MARK: Serving

    /// Compares a peer's page with what is held here, and answers what differs.
    func serve(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        let page = try CatchUpPage(payload)
        var listing = CatchUpListing()
        var entries = page.entries()
        while let entry = try entries.next(of: payload) {
            listing.keys.append(payload.extracting(entry.key).array)
            listing.digests.append(entry.digest)
        }
        let isKnown = store.keyspaces.contains {
            $0.settings.id == page.keyspace && $0.generation == page.generation
        }
        guard isKnown, !isStopped else {
            // One of the two missed that the keyspace was emptied.
            replication.tellGenerations(peer.node)
            return answer(nil, header.request, peer)
        }
        let stretch = CatchUpStretch(
            keyspace: page.keyspace, generation: page.generation, slots: page.slots, from: page.from, upTo: page.upTo,
            entries: machine.settings.pageEntries, bytes: machine.settings.pageBytes)
        let listed = listing
        scan({ snapshot throws(StorageError) in try stretch.compare(listed, with: snapshot) }) { me, comparison in
            guard let comparison else { return me.answer(nil, header.request, peer) }
            me.heal(comparison.damaged)
            me.answer(me.isSound(comparison.damaged, for: peer.node) ? comparison : nil, header.request, peer)
        }
    }

    /// Whether a peer may take what it is answered for all that is held here, although some records are damaged.
    ///
    /// Not where it catches up on these from this replica, whose word counts. Where this one is in need itself its word
    /// counts only beside all others', for what then may be lost: were it refused, two owners in need with a damaged
    /// record each would wait for each other for ever.
    private func isSound(_ damaged: [[UInt8]], for node: UInt32) -> Bool {
        damaged.allSatisfy { key in
            withBytes(of: key) { key in
                guard let keyspace = store.keyspace(ofStored: key) else { return true }
                let slot = key.bigEndian(9, as: UInt16.self)
                return machine.isCaughtUp(node: node, slot: slot, keyspace: keyspace) != false
                    || !machine.isCaughtUp(slot: slot, keyspace: keyspace)
            }
        }
    }

    private func answer(_ comparison: CatchUpComparison?, _ request: UInt64, _ peer: PeerSession) {
        _ = replication.transport.reply(to: peer, replication.header(.catchUpPageReply, request)) { buffer in
            guard let comparison else { return CatchUpPageReply.refused.append(to: &buffer) }
            CatchUpPageReply(upTo: comparison.upTo, wanted: comparison.wanted, count: comparison.count)
                .append(to: &buffer)
            withBytes(of: comparison.records) { buffer.append($0) }
        }
    }

    /// Runs `body` over a snapshot, off the loop where reads may block; `done` hears the result, nil if it failed.
    private func scan<Result: Sendable>(
        _ body: @escaping @Sendable (any StorageSnapshot) throws(StorageError) -> Result,
        _ done: @escaping @Sendable (CatchUp, Result?) -> Void
    ) {
        store.readCommitted(body) { [self] result in if !isStopped { done(self, result) } }
    }
}
