import MartletCore
import MartletRuntime

/// One connection of a pool: its protocol and its stream. Used on the pool's loop only.
final class Connection {
    let id: UInt64
    let slot: Int
    let address: SocketAddress
    var machine: ConnectionMachine
    var stream: (any ByteStream)?
    /// Ends an attempt to connect that takes too long.
    var greetingTimer: (any LoopTimer)?
    /// Whether it answered a request.
    var isProved = false
    /// Why we close it.
    var failure: String?

    init(id: UInt64, slot: Int, address: SocketAddress, limits: ReplyLimits) {
        self.id = id
        self.slot = slot
        self.address = address
        machine = ConnectionMachine(limits: limits)
    }

    /// Sends a request at the end of the loop's turn, together with all others of that turn.
    func send(id: UInt64, shape: ReplyShape, command: [UInt8], now: MonotonicTime) {
        stream?.write { machine.send(id: id, shape: shape, command: command, at: now, into: &$0) }
    }

    /// Gives the connection up, unless that was done.
    func close(because reason: String) {
        guard failure == nil else { return }
        failure = reason
        stream?.close()
    }
}

/// Enters the pool with the events of one stream.
final class ConnectionHandler: StreamHandler {
    private let pool: ConnectionPool
    private let id: UInt64

    init(pool: ConnectionPool, id: UInt64) {
        self.pool = pool
        self.id = id
    }

    func opened() {
        let id = id
        pool.assumeIsolated { $0.opened(id) }
    }

    func received(_ bytes: RawSpan) {
        let id = id
        pool.assumeIsolated { $0.received(bytes, on: id) }
    }

    func drained() { pool.assumeIsolated { $0.pump() } }

    func closed(_ error: StreamError?) {
        let id = id
        pool.assumeIsolated { $0.closed(id, error) }
    }
}
