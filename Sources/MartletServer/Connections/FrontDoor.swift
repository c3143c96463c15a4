internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// A worker's door for RESP clients: its connections, and what commands ask of the server. Used on its loop only.
final class FrontDoor: ServerFacts {
    let node: Node
    let worker: Int
    let coordinator: ReplicaCoordinator
    let table = CommandTable.standard
    /// One command's arguments, transaction and reply, used again for each.
    private(set) lazy var call = Invocation(
        transaction: transaction,
        session: Session(id: 0, peer: address, local: address, connectedAt: wallMicroseconds, server: self))
    private let transaction: Transaction
    private let standstill: StandstillWatch
    /// Commands run, for INFO.
    var commands: UInt64 = 0
    var remembered = RememberedParameters()
    private let shared: ServerShared
    /// The doors of all workers of the node, in order; set before the first connection.
    var doors: [Confined<FrontDoor>] = []
    /// A command over the keys of several workers has this worker's runs wait.
    var isHeld = false
    var heldRuns: [() -> Void] = []
    private var connections: [UInt64: ClientConnection] = [:]
    private var listeners: [any Listener] = []

    init(node: Node, worker: Int, shared: ServerShared, transaction: Transaction, standstill: StandstillWatch) {
        self.node = node
        self.worker = worker
        self.shared = shared
        coordinator = node.coordinators[worker]
        self.transaction = transaction
        self.standstill = standstill
    }

    // MARK: Connections

    /// Listens on the plain port, whose address it answers, and on this worker's cluster port.
    func listen() throws(StreamError) -> SocketAddress {
        let plain = try coordinator.loop.listen(on: shared.address) { [unowned self] stream in
            accept(stream, isOfClusterPort: false)
        }
        listeners.append(plain)
        if worker < shared.clusterAddresses.count {
            listeners.append(
                try coordinator.loop.listen(on: shared.clusterAddresses[worker]) { [unowned self] stream in
                    accept(stream, isOfClusterPort: true)
                })
        }
        return plain.address
    }

    private func accept(_ stream: any ByteStream, isOfClusterPort: Bool) -> (any StreamHandler)? {
        guard let id = shared.admit() else {
            stream.write { $0.append("-ERR max number of clients reached\r\n") }
            stream.closeAfterFlush()
            return RefusedConnection()
        }
        let session = Session(
            id: id, peer: stream.peer, local: stream.local, connectedAt: wallMicroseconds, server: self)
        session.isOfClusterPort = isOfClusterPort
        let connection = ClientConnection(session: session, door: self, stream: stream)
        connections[id] = connection
        return connection
    }

    func remove(_ connection: ClientConnection) {
        guard connections.removeValue(forKey: connection.session.id) != nil else { return }
        shared.dismiss()
    }

    /// Accepts no more and ends each connection once it has nothing under way, or at once if `isForced`.
    func drain(isForced: Bool) -> Int {
        for listener in listeners { listener.close() }
        listeners = []
        for connection in connections.values where isForced || connection.isIdle { connection.end() }
        return connections.count
    }

    /// Runs a keyed command in a transaction; its reply begins at `start`. Returns the commit to wait for.
    func perform(
        _ row: Int, _ input: RawSpan, _ call: Invocation, _ now: Int64, keyspace: Int, from start: Int
    ) -> UInt64 {
        if let refusal = refusal(row) {
            call.reply.refuse(refusal)
            return 0
        }
        call.transaction.begin(keyspace: keyspace, nowMilliseconds: now)
        table.rows[row].handler(input, call)
        let commit = call.transaction.end()
        if let failure = call.transaction.failure {
            call.reply.buffer.truncate(to: start)
            call.reply.error(failure.reply)
        }
        return commit
    }

    /// Why a command is not begun at all: the node has taken on as much as it can, or stood still.
    @inline(__always)
    func refusal(_ row: Int) -> StaticString? {
        let load = node.load
        return load.isMemoryFull || load.isBacklogged || standstill.isRecent ? refusal(row, load) : nil
    }

    private func refusal(_ row: Int, _ load: NodeLoad) -> StaticString? {
        if load.isMemoryFull, table.mayGrow[row] {
            load.noteRefusal(forMemory: true)
            return Refusal.memory
        }
        if isStale(row) { return Refusal.standstill }
        guard load.isBacklogged, table.mayWrite[row] else { return nil }
        load.noteRefusal(forMemory: false)
        return Refusal.backlog
    }

    /// Whether a command writes and may long have been given up by who sent it: the worker stood still.
    func isStale(_ row: Int) -> Bool { standstill.isRecent && table.mayWrite[row] }

    /// As ``refusal(_:)``, of a command that other nodes have a part in.
    func refusal(_ row: Int, _ coordinator: isolated ReplicaCoordinator) -> StaticString? {
        if let replication = coordinator.replication, replication.isOverloaded {
            node.load.noteRefusal(forMemory: false)
            return Refusal.tooMuch
        }
        return refusal(row)
    }

    /// Lends each key that a command names; none if there is no such command.
    func forEachKey(_ input: RawSpan, _ arguments: [Range<Int>], _ body: (RawSpan) -> Void) {
        guard let row = table.row(input, arguments) else { return }
        guard case .keys(let first, let last, let step) = table.rows[row].shape else { return }
        let end = last < 0 ? arguments.count + last : last
        guard first > 0, step > 0, first <= end else { return }
        for index in stride(from: first, through: min(end, arguments.count - 1), by: step) {
            body(input.extracting(arguments[index]))
        }
    }

    // MARK: What commands ask

    var sessions: [Session] { connections.values.map(\.session).sorted { $0.id < $1.id } }

    func kill(session id: UInt64) -> Bool {
        guard let connection = connections[id] else { return false }
        connection.end()
        return true
    }

    func information(section: String) -> [(name: String, value: String)] {
        Information(door: self, shared: shared).lines(of: section)
    }

    func clusterView(for session: Session) -> ClusterView? {
        let place = (keyspace: session.keyspace, worker: session.isOfClusterPort ? worker : 0)
        let cluster = node.settings.cluster
        return coordinator.assumeIsolated { coordinator in
            guard let membership = coordinator.replication?.membership, !membership.members.isEmpty else { return nil }
            return ClusterView(
                membership, cluster: cluster, owners: coordinator.slotOwners(keyspace: place.keyspace),
                worker: place.worker, isUp: coordinator.isReachable)
        }
    }

    var parameters: [(name: String, value: String)] { shared.parameters(of: node) }
    var nodeIdentifier: String { shared.nodeIdentifier }
    var nodeName: String { node.settings.name }
    var epoch: UInt64 {
        let me = Confined(self, on: coordinator.loop)
        return me.value.coordinator.assumeIsolated { $0.epoch }
    }
    var address: SocketAddress { shared.address }
    var keyspaceNames: [String] { node.settings.keyspaces.map(\.name) }
    var requiresPassword: Bool { false }
    var wallMicroseconds: Int64 { node.environment.clock.wallMicroseconds }
    var connectionCount: Int { shared.connectionCount }
    var identity: ServerIdentity {
        ServerIdentity(
            address: shared.address, software: shared.software,
            uptime: max(0, (wallMicroseconds - shared.startedAt) / 1_000_000))
    }
}

/// Hears nothing of a client that was turned away.
private final class RefusedConnection: StreamHandler {
    func received(_ bytes: RawSpan) {}
    func closed(_ error: StreamError?) {}
}
