public import MartletCore
public import MartletRuntime
internal import Synchronization

/// One command's view of the keys it declared: reads see what it has written, and its writes are applied together
/// when it ends, or not at all.
///
/// A worker has one and uses it again for each command. All calls are synchronous: the records of declared keys are
/// resident before a command runs.
public final class Transaction {
    /// The wall clock of this request, read once: milliseconds since 1970. Expiry is decided by it.
    public private(set) var nowMilliseconds: Int64 = 0
    /// What the request asked for, or the node's default.
    public var durability: Durability {
        get { asked ?? store.settings.durability }
        set { asked = newValue }
    }
    private var asked: Durability?
    /// Why the command's answer cannot be given, although its handler ran; nothing of it is applied.
    public private(set) var failure: TransactionFailure?

    let store: RecordStore
    private(set) var keyspace = 0
    var storedKey = ByteBuffer(capacity: 256)
    var packed = ByteBuffer()
    var batch = WriteBatch()
    /// Per operation of ``batch`` the hash of its stored key and how the count of records changes.
    var hashes: [UInt64] = []
    var effects: [Effect] = []
    /// What the trees hold of the record that the last update is of.
    private var former = TreeEntry.none
    /// The newest commit that something this command has read or written depends on; its reply waits for it.
    private var commit: UInt64 = 0

    /// Copies of the records that a command over several workers runs on, by stored key.
    private var gathered: [[UInt8]: [UInt8]?]?
    /// Of these, those whose word is no answer.
    private var damagedCopies: Set<[UInt8]> = []
    /// And those for which a birth has to be drawn.
    private var unbornCopies: Set<[UInt8]> = []

    struct Effect {
        var keyspace: Int
        var count: Int
        var expiring: Int
    }

    init(store: RecordStore) {
        self.store = store
    }

    // MARK: A command's begin and end

    /// Begins a command in a keyspace.
    public func begin(keyspace: Int, nowMilliseconds: Int64) {
        self.keyspace = keyspace
        self.nowMilliseconds = nowMilliseconds
        asked = nil
        failure = nil
        commit = 0
    }

    /// Ends it: applies what it wrote, unless it failed.
    ///
    /// - Returns: the commit that the reply has to wait for; 0 for none.
    public func end() -> UInt64 {
        guard !hashes.isEmpty else { return commit }
        defer { discard() }
        guard failure == nil else { return commit }
        do throws(StorageError) {
            commit = max(commit, try store.apply(&batch, hashes: hashes, durability: durability))
            count()
            if let trees = store.trees {
                batch.forEach { key, _, _ in trees.forget(key, keyspace: keyspace) }
            }
        } catch {
            failure = TransactionFailure(error)
        }
        return commit
    }

    /// Ends a command that overwrote its key: this node's replica takes the record, and other owners are handed it.
    ///
    /// - Returns: true if that is under way, and `waiter` will be told. Else the reply is the whole answer, as after
    ///   ``end()``, which has been done.
    public func end(
        _ plan: PlannedWrite, over replication: Replication, waiter: any WriteWaiter, ticket: UInt64
    ) -> Bool {
        guard !hashes.isEmpty, failure == nil else {
            _ = end()
            return false
        }
        defer { discard() }
        do throws(StorageError) {
            commit = max(commit, try store.apply(&batch, hashes: hashes, durability: durability))
        } catch {
            failure = TransactionFailure(error)
            return false
        }
        count()
        batch.withOperation(0) { key, record, _ in
            store.trees?.changed(key, keyspace: keyspace, from: former, to: record)
            replication.hand(
                record, storedKey: key, plan, durability: .none, takenWith: commit, waiter: waiter, ticket: ticket)
        }
        return true
    }

    private func count() {
        for effect in effects {
            let totals = store.keyspaces[effect.keyspace].totals
            if effect.count != 0 { totals.records.add(effect.count, ordering: .relaxed) }
            if effect.expiring != 0 { totals.expiring.add(effect.expiring, ordering: .relaxed) }
        }
    }

    private func discard() {
        batch.removeAll()
        hashes.removeAll(keepingCapacity: true)
        effects.removeAll(keepingCapacity: true)
    }

    /// Begins a command whose keys belong to several workers, over copies of their records.
    public func begin(keyspace: Int, nowMilliseconds: Int64, over records: [RecordCopy]) {
        begin(keyspace: keyspace, nowMilliseconds: nowMilliseconds)
        gathered = [:]
        for copy in records {
            gathered?[copy.storedKey] = .some(copy.record)
            if copy.isDamaged { damagedCopies.insert(copy.storedKey) }
            if copy.needsBirth { unbornCopies.insert(copy.storedKey) }
        }
    }

    /// Ends a command over copies: what it wrote, to be committed and then installed at the keys' workers.
    public func endGathered() -> GatheredWrites? {
        defer {
            gathered = nil
            damagedCopies.removeAll()
            unbornCopies.removeAll()
            discard()
        }
        guard failure == nil, !hashes.isEmpty else { return nil }
        var writes = GatheredWrites(durability: durability)
        writes.asked = asked ?? .none
        for effect in effects { writes.effects.append((effect.keyspace, effect.count, effect.expiring)) }
        batch.forEach { key, value, isDelete in
            writes.records.append(RecordCopy(storedKey: key.array, record: isDelete ? nil : value.array))
        }
        return writes
    }

    // MARK: Reading

    /// Lends the live value of `key`; false if there is none. `body` must not call the transaction.
    public func read(_ key: RawSpan, _ body: (RawSpan, ValueFacts) -> Void) -> Bool {
        let hash = locate(key)
        var isLive = false
        var isExpired = false
        var wasLive = false
        withRecord(hash) { record, storedKey in
            guard let view = self.view(record, storedKey) else { return }
            guard view.expiry > nowMilliseconds else {
                (isExpired, wasLive) = (view.siblingCount == 1, !view.isTombstone)
                return
            }
            guard !view.isTombstone else { return }
            isLive = true
            let facts = ValueFacts(expiry: Expiry(milliseconds: view.expiry), stamp: view.stamp)
            lend(record.extracting(view.value), view.codec, length: view.length, facts, body)
        }
        // Of a key with replicas, an expired value is a tombstone as it stands.
        if isExpired, !store.isReplicated { stageErasure(hash, wasLive: wasLive, wasExpiring: true) }
        return isLive
    }

    /// As ``read(_:_:)``, without the bytes.
    public func facts(_ key: RawSpan) -> ValueFacts? {
        var facts: ValueFacts?
        _ = read(key) { facts = $1 }
        return facts
    }

    public func exists(_ key: RawSpan) -> Bool { read(key) { _, _ in } }

    // MARK: Writing

    /// Stores the value; ``Expiry/never`` removes a former expiry.
    ///
    /// - Returns: whether there was a live value.
    @discardableResult
    public func put(
        _ key: RawSpan, _ value: RawSpan, expiry: Expiry, token: RetryToken? = nil,
        knowing known: ClientContext? = nil
    ) throws(WriteRefusal) -> Bool {
        let settings = store.keyspaces[keyspace].settings
        guard key.byteCount <= settings.maximumKey else {
            throw refuse(.tooLarge("key of \(key.byteCount) bytes", limit: settings.maximumKey))
        }
        guard key.byteCount + value.byteCount <= settings.maximumPair else {
            throw refuse(
                .tooLarge("pair of \(key.byteCount + value.byteCount) bytes", limit: settings.maximumPair))
        }
        let hash = locate(key)
        let update = update(hash, knowing: known)
        guard failure == nil else { return false }
        guard update.remainingSiblings < RecordUpdate.siblingLimit else { throw refuse(.tooManySiblings) }
        let (dot, stamp) = mint(update)
        var new = NewValue(
            stamp: stamp, expiry: expiry.milliseconds, token: heeded(token), length: value.byteCount)
        new.existed = update.replacesLive(at: nowMilliseconds)
        packed.removeAll()
        new.codec = ValueCodec.pack(value, as: settings.compression, into: &packed)
        storedKey.withBytes { storedKey in
            batch.put(storedKey) { arena in
                if new.codec == .none {
                    update.append(to: &arena, storedKey: storedKey, dot: dot, value: new, bytes: value)
                } else {
                    packed.withBytes {
                        update.append(to: &arena, storedKey: storedKey, dot: dot, value: new, bytes: $0)
                    }
                }
            }
        }
        hashes.append(hash)
        effects.append(
            Effect(
                keyspace: keyspace, count: update.held != .damaged && update.isTombstone ? 1 : 0,
                expiring: (expiry.isNever ? 0 : 1) - (update.expiry != .max ? 1 : 0)))
        return new.existed
    }

    /// What a write of the key under ``storedKey`` has to know of the record it replaces.
    ///
    /// A damaged one is replaced: its dots are not known, so this replica begins anew for the key.
    func update(_ hash: UInt64, knowing known: ClientContext? = nil) -> RecordUpdate {
        var update = RecordUpdate(knowing: known?.history)
        former = .none
        withRecord(hash) { record, storedKey in
            var identity = store.minting.identity
            if !unbornCopies.isEmpty, unbornCopies.contains(storedKey.array) { identity.firstBirth = .max }
            update = RecordUpdate(
                record, storedKey: storedKey, identity: identity,
                policy: store.keyspaces[keyspace].policy, knowing: known?.history, beyond: known?.beyond)
            if let trees = store.trees {
                former = update.held == .damaged ? .unknown : trees.entry(of: record, storedKey)
            }
        }
        return update
    }

    /// A dot for what an update writes, and a stamp above all that it supersedes.
    func mint(_ update: RecordUpdate) -> (Dot, stamp: UInt64) {
        let isReset = store.settings.plantedBugs.contains(.resetsCounters)
        let dot = isReset ? store.minting.resetDot() : update.nextDot ?? store.minting.newDot()
        store.minting.receive(update.stamp)
        return (dot, store.minting.stamp(wallMilliseconds: nowMilliseconds))
    }

    /// A refused write fails the whole command: what it wrote before is not applied either.
    func refuse(_ refusal: WriteRefusal) -> WriteRefusal {
        failure = TransactionFailure(reply: refusal.reply)
        return refusal
    }

    /// Removes the key; true if there was a live value.
    ///
    /// Of a key with replicas a tombstone is written even where nothing is found: others may hold what this one missed.
    public func delete(_ key: RawSpan) throws(WriteRefusal) -> Bool {
        let hash = locate(key)
        var mayExist = store.isReplicated
        var isLive = false
        withRecord(hash) { record, storedKey in
            mayExist = true
            guard let view = self.view(record, storedKey) else { return }
            isLive = view.isLive(at: nowMilliseconds)
        }
        if mayExist, failure == nil { stageDelete(hash) }
        return isLive
    }

    /// Runs `body` in another keyspace of this node; nil if there is none of that number.
    public func inKeyspace<R>(_ number: Int, _ body: () -> R) -> R? {
        guard store.keyspaces.indices.contains(number) else { return nil }
        let former = keyspace
        keyspace = number
        defer { keyspace = former }
        return body()
    }

    // MARK: Records

    /// Erases the record: it has expired, and nobody else holds it.
    private func stageErasure(_ hash: UInt64, wasLive: Bool, wasExpiring: Bool) {
        storedKey.withBytes { batch.delete($0) }
        hashes.append(hash)
        effects.append(Effect(keyspace: keyspace, count: wasLive ? -1 : 0, expiring: wasExpiring ? -1 : 0))
    }

    /// At N=1 a delete is collected at once: the sole owner has it durably, and holds no hint. Else it is a tombstone.
    ///
    /// While repetitions of writes with a token have to be known it is one too, which the sweep erases a minute later.
    ///
    /// - Returns: whether there was a live value.
    @discardableResult
    func stageDelete(_ hash: UInt64, token: RetryToken? = nil, knowing known: ClientContext? = nil) -> Bool {
        let update = update(hash, knowing: known)
        guard failure == nil else { return false }
        let wasLive = update.held == .damaged || !update.isTombstone
        let (dot, stamp) = mint(update)
        var tombstone = NewValue.tombstone(stamp: stamp, token: heeded(token))
        tombstone.existed = update.replacesLive(at: nowMilliseconds)
        var bytes: [UInt8] = []
        if !store.isReplicated, update.remainingSiblings == 0 {
            guard token != nil || update.remembersRetries(at: stamp) else {
                stageErasure(hash, wasLive: wasLive, wasExpiring: update.expiry != .max)
                return tombstone.existed
            }
            tombstone.expiry = nowMilliseconds + RetryMemory.milliseconds
            bytes = [UInt8](repeating: 0, count: 8)
            tombstone.length = bytes.count
        }
        withBytes(of: bytes) { bytes in
            storedKey.withBytes { storedKey in
                batch.put(storedKey) {
                    update.append(to: &$0, storedKey: storedKey, dot: dot, value: tombstone, bytes: bytes)
                }
            }
        }
        hashes.append(hash)
        effects.append(
            Effect(
                keyspace: keyspace, count: wasLive ? -1 : 0,
                expiring: (tombstone.expiry == .max ? 0 : 1) - (update.expiry == .max ? 0 : 1)))
        return tombstone.existed
    }

    /// Makes the stored key of `key` in ``storedKey`` and returns the hash it is found by.
    func locate(_ key: RawSpan) -> UInt64 { store.locate(key, keyspace: keyspace, into: &storedKey) }

    /// Lends the newest record under ``storedKey``: what this command wrote, else what is resident, else the backend's.
    func withRecord(_ hash: UInt64, _ body: (_ record: RawSpan, _ storedKey: RawSpan) -> Void) {
        storedKey.withBytes { storedKey in
            if !hashes.isEmpty, lendStaged(hash, storedKey, body) { return }
            if let gathered, let copy = gathered[storedKey.array] {
                if let record = copy { withBytes(of: record) { body($0, storedKey) } }
                return
            }
            if store.isInline {
                do throws(StorageError) {
                    _ = try store.reader.read(storedKey) { body($0, storedKey) }
                } catch {
                    failure = TransactionFailure(error)
                }
                return
            }
            let entry = store.fetch(storedKey, hash: hash)
            if entry.isLoading { store.readNow(entry) }
            commit = max(commit, entry.pendingCommit > store.committed ? entry.pendingCommit : 0)
            if let error = entry.loadError { failure = TransactionFailure(error) }
            _ = entry.withRecord { body($0, storedKey) }
        }
    }

    /// Lends what this command wrote under the key last; true if it wrote or deleted it.
    private func lendStaged(_ hash: UInt64, _ storedKey: RawSpan, _ body: (RawSpan, RawSpan) -> Void) -> Bool {
        for index in hashes.indices.reversed() where hashes[index] == hash {
            var isSame = false
            batch.withOperation(index) { key, value, isDelete in
                isSame = key.equals(storedKey)
                if isSame, !isDelete { body(value, storedKey) }
            }
            if isSame { return true }
        }
        return false
    }

    /// Reads a record's parts; a damaged one is counted and makes the command's answer unknown.
    func view(_ record: RawSpan, _ storedKey: RawSpan) -> RecordView? {
        do throws(RecordView.Damage) {
            if !damagedCopies.isEmpty, damagedCopies.contains(storedKey.array) { throw .damaged }
            return try RecordView(record, storedKey: storedKey)
        } catch {
            store.noteDamage(storedKey)
            failure = .damaged
            return nil
        }
    }

    func lend(
        _ stored: RawSpan, _ codec: RecordFormat.Codec, length: Int, _ facts: ValueFacts,
        _ body: (RawSpan, ValueFacts) -> Void
    ) {
        guard codec != .none else { return body(stored, facts) }
        packed.removeAll()
        guard ValueCodec.unpack(stored, codec, length: length, into: &packed) else {
            failure = .damaged
            return
        }
        packed.withBytes { body($0, facts) }
    }
}
