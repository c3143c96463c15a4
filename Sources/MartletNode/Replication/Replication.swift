public import MartletCore
public import MartletRuntime

/// A worker's part in the cluster: serves what peers ask of its replicas, and carries its coordinator's reads and
/// writes to the replicas of their keys. Used on the worker's loop only.
///
/// This node's own replica is one of the positions like any other, but for the message: what comes back from it is fed
/// to the same operations (``WriteOperation``, ``ReadOperation``).
public final class Replication: TransportReceiver {
    public let membership: ClusterMembership
    let store: RecordStore
    let transport: any Transport
    let loop: any EventLoop
    var writes = OperationTable<WriteInFlight>()
    var reads = OperationTable<ReadInFlight>()
    var forwards = OperationTable<ForwardInFlight>()
    private var lastRequest: UInt64 = 0
    /// Keys that a read-modify-write is under way for, and who waits for them in turn.
    var busyKeys: [[UInt8]: [CheckedContinuation<Void, Never>]] = [:]
    /// Runs a command that another node handed over, and hands back its encoded reply.
    public var runForwarded: ((ForwardedCommand, @escaping ([UInt8]) -> Void) -> Void)?
    /// Messages that could not be understood.
    public private(set) var malformed: UInt64 = 0

    /// How long an operation may take unless the client says otherwise.
    static let patience = Duration.seconds(2)

    init(_ membership: ClusterMembership, store: RecordStore, transport: any Transport) {
        self.membership = membership
        self.store = store
        self.transport = transport
        loop = store.loop
        transport.receiver = self
    }

    /// The durability that this replica's acknowledgement stands for where no more is asked.
    var ownDurability: Durability { min(store.settings.durability, store.backend.properties.maximumDurability) }

    /// A number for an operation of any kind. 0 is never used: what answers it is not waited for.
    func newRequest() -> UInt64 {
        lastRequest += 1
        return lastRequest
    }

    /// A header with this node's clock, so that no node mints below what it has heard of.
    func header(_ kind: MessageKind, _ request: UInt64) -> MessageHeader {
        MessageHeader(
            kind: kind, request: request, deadline: UInt32(Self.patience.inNanoseconds / 1_000_000),
            epoch: membership.epoch, stamp: store.minting.lastStamp)
    }

    /// The links to nodes that own something here, as positions.
    func reachable(_ places: ReplicaPlaces) -> PositionSet {
        var reachable = PositionSet()
        for (position, node) in places.nodes.enumerated() where position == places.own || transport.isOpen(to: node) {
            reachable.insert(position)
        }
        return reachable
    }

    // MARK: Transport

    public func received(_ header: MessageHeader, _ payload: RawSpan, from peer: PeerSession) {
        // A frame of another epoch is of nodes that may place keys elsewhere: nothing of it is taken.
        guard header.epoch == membership.epoch else { return refuse(header, peer) }
        store.minting.receive(header.stamp, wallMilliseconds: store.clock.wallMicroseconds / 1000)
        do throws(ByteCursor.Malformed) {
            switch header.kind {
            case .replicaWrite: try serveWrite(header, payload, peer)
            case .replicaRead: try serveRead(header, payload, peer)
            case .replicaWriteReply: try receiveWriteReply(header, payload, peer)
            case .replicaReadReply: try receiveReadReply(header, payload, peer)
            case .command: try serveCommand(header, payload, peer)
            case .commandReply: receiveCommandReply(header, payload, peer)
            default: return  // of a later version
            }
        } catch {
            malformed += 1
        }
    }

    private func refuse(_ header: MessageHeader, _ peer: PeerSession) {
        guard header.kind == .replicaWrite || header.kind == .replicaRead else { return }
        let isWrite = header.kind == .replicaWrite
        _ = transport.reply(
            to: peer, self.header(isWrite ? .replicaWriteReply : .replicaReadReply, header.request)
        ) { buffer in
            if isWrite {
                ReplicaWriteReply.begin(count: 1, in: &buffer)
                ReplicaWriteReply.append(.refused(.wrongEpoch), to: &buffer)
            } else {
                ReplicaReadReply.begin(count: 1, in: &buffer)
                ReplicaReadReply.append(.refused(.wrongEpoch), to: &buffer)
            }
        }
    }

    public func linkOpened(_ peer: PeerSession) {}

    /// What was sent to the peer may have arrived or not.
    public func linkClosed(_ peer: PeerSession, _ reason: StreamError?) {
        writes.forEach { id, write in
            if let position = write.places.position(of: peer.node) { tell(write: id, .lost(position)) }
        }
        reads.forEach { id, read in
            guard let position = read.places.position(of: peer.node) else { return }
            tell(read: id, .lost(position))
            tell(read: id, .notWrittenBack(position))
        }
        forwards.forEach { id, forward in
            if forward.node == peer.node { finish(id, nil) }
        }
    }
}

/// Operations under way, by the number that their messages carry.
struct OperationTable<Operation> {
    private var operations: [UInt64: Operation] = [:]

    var count: Int { operations.count }

    mutating func add(_ operation: Operation, as id: UInt64) { operations[id] = operation }

    mutating func remove(_ id: UInt64) -> Operation? { operations.removeValue(forKey: id) }
    subscript(id: UInt64) -> Operation? { operations[id] }

    /// In the order they began.
    func forEach(_ body: (UInt64, Operation) -> Void) {
        for id in operations.keys.sorted() {
            if let operation = operations[id] { body(id, operation) }
        }
    }
}
