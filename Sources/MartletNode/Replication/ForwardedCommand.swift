public import MartletCore
internal import MartletRuntime
internal import Synchronization

extension MessageKind {
    /// A client's command, handed to the node that coordinates it: an owner of its key.
    static let command = MessageKind(rawValue: 0x0107)
    static let commandReply = MessageKind(rawValue: 0x0108)
}

/// A client's command on its way to the node that coordinates it.
///
/// ```
/// keyspace u32    protocol version u8    read level u8    write level u8 (0: the keyspace's)
/// arguments: count varint, then each a varint length and bytes
/// ```
/// The reply is the encoded RESP reply; an empty one says that the command was not run.
public struct ForwardedCommand: Sendable {
    public var keyspace: Int
    public var version: Int
    /// What the connection asked for; nil for the keyspace's own.
    public var levels: (read: ConsistencyLevel?, write: ConsistencyLevel?)
    public var arguments: [[UInt8]]

    public init(
        keyspace: Int, version: Int, levels: (read: ConsistencyLevel?, write: ConsistencyLevel?),
        arguments: [[UInt8]]
    ) {
        self.keyspace = keyspace
        self.version = version
        self.levels = levels
        self.arguments = arguments
    }

    /// Arguments that a command may have; as in the front door.
    static let mostArguments = 1 << 20

    init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        keyspace = Int(try cursor.littleEndian(of: payload, as: UInt32.self))
        version = Int(try cursor.byte(of: payload))
        let (read, write) = (try cursor.byte(of: payload), try cursor.byte(of: payload))
        levels = (ConsistencyLevel(code: read), ConsistencyLevel(code: write))
        let count = try cursor.varint(of: payload)
        guard count >= 1, count <= UInt64(Self.mostArguments), count <= UInt64(payload.byteCount), version <= 3 else {
            throw ByteCursor.Malformed()
        }
        arguments = []
        for _ in 0..<count {
            let length = try cursor.varint(of: payload)
            guard length <= UInt64(payload.byteCount) else { throw ByteCursor.Malformed() }
            let place = try cursor.take(Int(length), of: payload)
            arguments.append(payload.extracting(place).array)
        }
        guard cursor.offset == payload.byteCount else { throw ByteCursor.Malformed() }
    }

    func append(to buffer: inout ByteBuffer) {
        Self.begin(keyspace: keyspace, version: version, levels: levels, count: arguments.count, in: &buffer)
        for argument in arguments { withBytes(of: argument) { Self.append(argument: $0, to: &buffer) } }
    }

    /// Appends all but the arguments, of which `count` have to follow.
    public static func begin(
        keyspace: Int, version: Int, levels: (read: ConsistencyLevel?, write: ConsistencyLevel?), count: Int,
        in buffer: inout ByteBuffer
    ) {
        buffer.append(littleEndian: UInt32(truncatingIfNeeded: keyspace))
        buffer.append(UInt8(truncatingIfNeeded: version))
        buffer.append(levels.read?.code ?? 0)
        buffer.append(levels.write?.code ?? 0)
        buffer.append(varint: UInt64(count))
    }

    /// Appends one argument.
    public static func append(argument: RawSpan, to buffer: inout ByteBuffer) {
        buffer.append(varint: UInt64(argument.byteCount))
        buffer.append(argument)
    }
}

/// A command that another node runs.
final class ForwardInFlight {
    let node: UInt32
    var deadline: (any LoopTimer)?
    /// Hears the encoded reply; nil if nothing is known of it.
    var answered: ([UInt8]?) -> Void

    init(node: UInt32, answered: @escaping ([UInt8]?) -> Void) {
        self.node = node
        self.answered = answered
    }
}

extension Replication {
    /// Hands a command to another node.
    ///
    /// - Returns: false if it was not sent; then `answered` is not called.
    public func forward(
        _ command: ForwardedCommand, to node: UInt32, answered: @escaping ([UInt8]?) -> Void
    ) -> Bool {
        let forward = ForwardInFlight(node: node, answered: answered)
        let id = newRequest()
        forwards.add(forward, as: id)
        guard transport.send(to: node, header(.command, id), { command.append(to: &$0) }) else {
            _ = forwards.remove(id)
            return false
        }
        counters.forwarded.add(1, ordering: .relaxed)
        // Somewhat longer than the other node takes to give up, whose answer says more.
        forward.deadline = loop.schedule(after: Self.patience + .milliseconds(500)) { [self] in finish(id, nil) }
        return true
    }

    func finish(_ id: UInt64, _ reply: [UInt8]?) {
        guard let forward = forwards.remove(id) else { return }
        forward.deadline?.cancel()
        forward.answered(reply)
    }

    func receiveCommandReply(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) {
        guard forwards[header.request]?.node == peer.node else { return }
        finish(header.request, payload.array)
    }

    func serveCommand(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        let command = try ForwardedCommand(payload)
        let reply: ([UInt8]) -> Void = { [self] bytes in
            _ = transport.reply(to: peer, self.header(.commandReply, header.request)) { buffer in
                withBytes(of: bytes) { buffer.append($0) }
            }
        }
        guard let runForwarded, membership.keyspaces.indices.contains(command.keyspace) else { return reply([]) }
        counters.taken.add(1, ordering: .relaxed)
        runForwarded(command, reply)
    }
}
