internal import MartletCore
public import MartletRuntime

/// Values with what is known of their history: siblings, contexts, writes with a receipt.
extension Transaction {
    /// Whether the key's keyspace keeps all writes that did not know of each other.
    public var keepsSiblings: Bool { store.keyspaces[keyspace].policy == .siblings }

    /// The causal context of the key's record as a client is given it; empty if there is no record.
    public func context(_ key: RawSpan) -> [UInt8] {
        var context: [UInt8] = []
        withRecord(locate(key)) { record, storedKey in
            guard let view = self.view(record, storedKey) else { return }
            context = encoded(ClientContext(view.versionVector(of: record)), key)
        }
        return context
    }

    /// Lends all values of the key that are live, the latest first. `body` must not call the transaction.
    public func forEachSibling(_ key: RawSpan, _ body: (RawSpan, ValueFacts) -> Void) {
        withRecord(locate(key)) { record, storedKey in
            guard let view = self.view(record, storedKey) else { return }
            var siblings = RecordSiblings(view)
            var live: [(dot: Dot, sibling: RecordSibling)] = []
            while let next = (try? siblings.next(of: record)) ?? nil {
                if next.sibling.isLive(at: nowMilliseconds) { live.append(next) }
            }
            live.sort { ($0.sibling.stamp, $0.dot) > ($1.sibling.stamp, $1.dot) }
            for (_, sibling) in live {
                let facts = ValueFacts(expiry: Expiry(milliseconds: sibling.expiry), stamp: sibling.stamp)
                lend(record.extracting(sibling.value), sibling.codec, length: sibling.length, facts, body)
            }
        }
    }

    /// Whether this node's backend can meet a durability at all.
    public func canMeet(_ durability: Durability) -> Bool {
        store.isReplicated || durability <= store.backend.properties.maximumDurability
    }

    /// What became of a write with this token if the key's record remembers it.
    ///
    /// The record is written again as it is: what answers a repetition is as durable, and on as many replicas, as the
    /// repetition asks for.
    public func earlierOutcome(_ key: RawSpan, of token: RetryToken) -> Receipt? {
        guard heeded(token) != nil else { return nil }
        let hash = locate(key)
        var receipt: Receipt?
        var held: [UInt8] = []
        withRecord(hash) { record, storedKey in
            guard
                let (write, context) = try? RetryMemory.outcome(
                    of: (token.high, token.low), in: record, storedKey: storedKey)
            else { return }
            let count = (try? RecordView(record, storedKey: storedKey))?.siblingCount ?? 1
            receipt = Receipt(
                stamp: write.stamp, context: encoded(context, key), existed: write.existed, siblings: count - 1)
            held = record.array
        }
        guard let receipt else { return nil }
        storedKey.withBytes { storedKey in withBytes(of: held) { batch.put(storedKey, $0) } }
        hashes.append(hash)
        effects.append(Effect(keyspace: keyspace, count: 0, expiring: 0))
        return receipt
    }

    /// The words of a token as records have them; nil for a planted bug that ignores it.
    func heeded(_ token: RetryToken?) -> (UInt64, UInt64)? {
        store.settings.plantedBugs.contains(.ignoresTokens) ? nil : token.map { ($0.high, $0.low) }
    }

    /// Stores the value; `context` is what a client was given, and the receipt holds what it is given back.
    ///
    /// In a keyspace that keeps siblings, exactly what the context covers is superseded, so without one the value
    /// becomes one more sibling. In others, and for an empty context there, all that is held is superseded.
    public func putWithReceipt(
        _ key: RawSpan, _ value: RawSpan, expiry: Expiry, token: RetryToken?, context: RawSpan?
    ) throws(WriteRefusal) -> Receipt {
        let known = try decoded(context, key)
        let existed = try put(key, value, expiry: expiry, token: token, knowing: known)
        return receipt(key, existed: existed, knowing: known)
    }

    /// As ``delete(_:)``, with a receipt; the context is taken as in ``putWithReceipt(_:_:expiry:token:context:)``.
    ///
    /// With a token it writes even where nothing can be: else its repetition might delete what was written since.
    public func deleteWithReceipt(_ key: RawSpan, token: RetryToken?, context: RawSpan?) throws(WriteRefusal) -> Receipt
    {
        let known = try decoded(context, key)
        let hash = locate(key)
        var mayExist = store.isReplicated
        var existed = false
        withRecord(hash) { _, _ in mayExist = true }
        guard failure == nil else { return Receipt(stamp: 0, context: [], existed: false) }
        if mayExist || token != nil { existed = stageDelete(hash, token: token, knowing: known) }
        return receipt(key, existed: existed, knowing: known)
    }

    /// What the key's record, just written, says of the write. Its dot is the latest, since its stamp is.
    private func receipt(_ key: RawSpan, existed: Bool, knowing known: ClientContext?) -> Receipt {
        var receipt = Receipt(stamp: 0, context: [], existed: existed)
        withRecord(locate(key)) { record, storedKey in
            guard let view = try? RecordView(record, storedKey: storedKey) else { return }
            receipt.stamp = view.stamp
            receipt.siblings = view.siblingCount - 1
            let history = view.versionVector(of: record)
            var mine = ClientContext(history)
            if view.siblingCount > 1, view.actorIndex < history.entries.count {
                mine = known ?? ClientContext()
                mine.add(Dot(actor: history.entries[view.actorIndex].actor, counter: view.counter))
            }
            receipt.context = encoded(mine, key)
        }
        if receipt.stamp == 0 { receipt.stamp = store.minting.stamp(wallMilliseconds: nowMilliseconds) }
        return receipt
    }

    // MARK: Contexts

    /// Stands for the cluster, the keyspace and the key that a context is of. The same after FLUSHDB: what was seen
    /// before it is superseded by what is written then.
    private func binding(_ key: RawSpan) -> UInt64 {
        let keyspace = UInt64(store.keyspaces[keyspace].settings.id) &* 0x9e37_79b9_7f4a_7c15
        return XXH3.hash(key, seed: store.hashSeed ^ keyspace ^ 0x636f_6e74_6578_74)
    }

    private func encoded(_ context: ClientContext, _ key: RawSpan) -> [UInt8] {
        var buffer = ByteBuffer()
        context.encode(into: &buffer, binding: binding(key))
        return buffer.copy()
    }

    /// What a client hands in; nil supersedes all.
    private func decoded(_ context: RawSpan?, _ key: RawSpan) throws(WriteRefusal) -> ClientContext? {
        guard let context, context.byteCount > 0 else { return keepsSiblings ? ClientContext() : nil }
        do throws(ClientContext.Fault) {
            return try ClientContext(decoding: context, binding: binding(key))
        } catch {
            let why =
                error == .foreign
                ? "ERR the context is not of this key: it was given for another key, keyspace or cluster, or altered"
                : "ERR the context is malformed: hand back what MARTLET.GET or a receipt gave"
            throw refuse(WriteRefusal(reply: why))
        }
    }
}
