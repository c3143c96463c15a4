public import MartletCore
public import MartletRuntime
internal import Synchronization

/// The parts of a node as they are put together at its start.
struct NodeAssembly {
    var settings: NodeSettings
    var environment: NodeEnvironment
    var backend: any StorageBackend
    var directory: DataDirectory?
    var incarnation: UInt64
    var startedUnclean: Bool
    var served: ServedMark
    var noteLoss: (@Sendable (DataLoss) -> Void)?
    var noteLiveness: (@Sendable (UInt32, Liveness) -> Void)?
    var noteFailure: (@Sendable (StorageError) -> Void)?
    let load: NodeLoad
    var coordinators: [ReplicaCoordinator] = []
    var replicas: [Replica] = []
    var committer: Committer?
    var writer: (any BlockingExecutor)?
    var reads: [BlockingReads] = []
    var counters: [Lock<StoreCounters>] = []
}

/// How a node is opened beside its settings.
public struct NodeOpening: Sendable {
    public var kind: BackendKind
    public var backendSettings: BackendSettings
    /// The data directory; unused by a backend that keeps nothing on disk.
    public var path: String
    /// An operator's word that data a power failure may have damaged are accepted.
    public var acceptsDataLoss = false
    /// Remembers beyond the loss of all data that the node has taken a write: a file in ``path`` unless given.
    public var served: ServedMark?
    /// Hears, on a worker's loop, of slots whose data may be lost.
    public var noteLoss: (@Sendable (DataLoss) -> Void)?
    /// Hears, on the first worker's loop, of each change of what the failure detector holds of another node.
    public var noteLiveness: (@Sendable (UInt32, Liveness) -> Void)?
    /// Hears, on a worker's loop and maybe more than once, that the backend failed for good: from then on the node
    /// acknowledges no write. What it holds is to be opened anew.
    public var noteFailure: (@Sendable (StorageError) -> Void)?

    public init(kind: BackendKind, backendSettings: BackendSettings = BackendSettings(), path: String) {
        self.kind = kind
        self.backendSettings = backendSettings
        self.path = path
    }
}

extension Node {
    /// Opens the node's data set and assembles its workers; blocks for as long as the backend's recovery takes.
    public static func open(
        _ settings: NodeSettings, _ opening: NodeOpening, in environment: NodeEnvironment
    ) throws(StorageError) -> Node {
        precondition(environment.loops.count == settings.workers)
        var directory: DataDirectory?
        var incarnation = environment.random.next()
        if settings.plantedBugs.contains(.keepsIncarnation) { incarnation = UInt64(settings.id) }
        var startedUnclean = false
        if opening.kind.needsDirectory(opening.backendSettings) {
            let expected = Manifest(backend: opening.kind.name, cluster: settings.cluster, node: settings.name)
            let opened = try DataDirectory(at: opening.path, expecting: expected)
            directory = opened
            if let founding = settings.founding { try Self.check(founding, against: opened) }
            let isClean = opened.manifest.marks["clean"] == "yes"
            startedUnclean = !opened.isNew && !isClean
            if isClean { incarnation = opened.manifest.incarnation }
            let drawn = incarnation
            try opened.update { manifest in
                manifest.marks["clean"] = nil
                manifest.incarnation = drawn
            }
        }
        do throws(StorageError) {
            let backend = try opening.kind.open(
                BackendOpening(
                    directory: directory, settings: opening.backendSettings, durability: settings.durability,
                    acceptsDataLoss: opening.acceptsDataLoss))
            var assembly = NodeAssembly(
                settings: settings, environment: environment, backend: backend, directory: directory,
                incarnation: incarnation, startedUnclean: startedUnclean,
                served: opening.served ?? (opening.path.isEmpty ? .inMemory() : .file(in: opening.path)),
                load: NodeLoad(settings, usedMemory: environment.usedMemory))
            assembly.noteLoss = opening.noteLoss
            assembly.noteLiveness = opening.noteLiveness
            assembly.noteFailure = opening.noteFailure
            try assembly.makeWorkers()
            return Node(assembly)
        } catch {
            directory?.close()
            throw error
        }
    }
}

extension Node {
    /// The mark of a manifest that keeps the founding description, in hexadecimal digits.
    private static let foundingMark = "founding"

    /// Writes down what the cluster was founded with, or refuses a description that is not the one written down.
    private static func check(_ founding: FoundingDescription, against directory: DataDirectory) throws(StorageError) {
        let bytes = founding.encoded()
        let digest = TopologyDigest(founding).manifestValue
        guard let text = directory.manifest.marks[foundingMark] else {
            return try directory.update { manifest in
                manifest.epochDigest = digest
                manifest.marks[foundingMark] = bytes.hexadecimal
            }
        }
        guard directory.manifest.epochDigest != digest else { return }
        let difference = FoundingDescription.firstDifference(bytes, [UInt8](hexadecimal: text) ?? [])
        directory.close()
        throw StorageError(
            .wrongManifest,
            "\(directory.path): the cluster was founded with other settings than the file now has (here: the file, "
                + "there: the data): \(difference); what a cluster was founded with stays as it was: change the file "
                + "back, or found a new cluster with directories of its own (--data DIR)")
    }
}

extension NodeAssembly {
    /// What a former run left: generations and counts by keyspace, leases.
    private struct Recovered {
        var keyspaces: [KeyspaceState]
        var leases: LeaseKeeper
    }

    mutating func makeWorkers() throws(StorageError) {
        let recovered = try recover()
        let start = try DataStart(
            reading: backend, isClosed: directory == nil ? nil : !startedUnclean, served: served)
        let mailboxes = environment.loops.map { _ in CommitMailbox() }
        if !backend.properties.isVolatile {
            let executor = environment.makeBlockingExecutor("commit")
            writer = executor
            committer = Committer(
                backend: backend, executor: executor, clock: environment.clock, load: load,
                listeners: mailboxes.map { mailbox in { outcome in mailbox.deliver(outcome) } })
        }
        for (worker, loop) in environment.loops.enumerated() {
            var blocking: BlockingReads?
            if backend.properties.readsMayBlock {
                blocking = BlockingReads(
                    reader: try backend.makeReader(), executor: environment.makeBlockingExecutor("reads-\(worker)"))
            }
            let published = Lock(StoreCounters())
            counters.append(published)
            let store = RecordStore(
                WorkerParts(
                    worker: worker, loop: loop, clock: environment.clock, settings: settings, backend: backend,
                    reader: try backend.makeReader(), committer: committer, reads: blocking,
                    keyspaces: recovered.keyspaces, nodeIdentifier: settings.id, incarnation: incarnation,
                    leases: recovered.leases, start: start, counters: published, load: load))
            // Not yet in use: from here on only its loop touches it.
            store.noteFailure = noteFailure
            let confined = Confined(store, handedTo: loop)
            mailboxes[worker].open(confined)
            coordinators.append(ReplicaCoordinator(store: confined, loop: loop, clock: environment.clock))
            replicas.append(Replica(store: confined, reads: blocking, loop: loop))
            if let blocking { reads.append(blocking) }
        }
    }

    private func recover() throws(StorageError) -> Recovered {
        let snapshot = backend.properties.isVolatile ? nil : try backend.snapshot()
        var states: [KeyspaceState] = []
        for keyspace in settings.keyspaces {
            var state = KeyspaceState(settings: keyspace, generation: 1, totals: KeyspaceTotals())
            state.policy = keyspace.conflicts
            states.append(state)
            guard let snapshot else { continue }
            var known: UInt64?
            let generation = try RecordStore.recordedGeneration(ofKeyspace: keyspace.id, in: snapshot)
            states[states.count - 1].generation = max(1, generation)
            _ = try withBytes(of: StoredKey.meta("count/\(keyspace.id)")) { key throws(StorageError) in
                try snapshot.read(key) { if $0.byteCount == 8 { known = $0.littleEndian(0, as: UInt64.self) } }
            }
            // A count is valid only if it was the last thing written before an orderly close.
            let isValid = directory?.isNew == true || (!startedUnclean && known != nil)
            state.totals.isKnown.store(isValid, ordering: .relaxed)
            if isValid { state.totals.records.store(Int(clamping: known ?? 0), ordering: .relaxed) }
            // Not counted: one sweep of all finds out, and lowers it to what there is.
            state.totals.expiring.store(isValid && known ?? 0 == 0 ? 0 : 1, ordering: .relaxed)
        }
        return Recovered(
            keyspaces: states,
            leases: try LeaseKeeper(reading: snapshot))
    }
}

/// Where the committer leaves word for a worker.
final class CommitMailbox: Sendable {
    private let store = Lock<Confined<RecordStore>?>(nil)

    func open(_ store: Confined<RecordStore>) { self.store.withLock { $0 = store } }

    func deliver(_ outcome: Committer.Outcome) {
        store.withLock { $0 }?.post { $0.receive(outcome) }
    }
}
