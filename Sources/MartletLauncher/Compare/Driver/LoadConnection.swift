internal import MartletRuntime

/// A request that was sent and whose reply is awaited.
struct PendingRequest {
    var kind: RequestKind
    var record: Int
    var version: UInt32
    /// When it should have begun, in nanoseconds: its place in the schedule, or the sending where there is none.
    var intended: UInt64
}

/// A connection with its requests in flight, oldest first: replies come in the order of requests.
final class LoadConnection {
    let socket: LoadSocket
    private var ring: [PendingRequest]
    private var head = 0
    private(set) var inFlight = 0

    /// Room for `window` requests in flight, and as many updates that follow a read of their own.
    init(to address: SocketAddress, window: Int) throws(DriverError) {
        socket = try LoadSocket(to: address)
        var capacity = 4
        while capacity < 2 * window { capacity *= 2 }
        ring = Array(
            repeating: PendingRequest(kind: .read, record: 0, version: 0, intended: 0), count: capacity)
    }

    func push(_ request: PendingRequest) {
        precondition(inFlight < ring.count)
        ring[(head + inFlight) & (ring.count - 1)] = request
        inFlight += 1
    }

    /// The oldest request in flight, which no longer is; nil if there is none.
    func pop() -> PendingRequest? {
        guard inFlight > 0 else { return nil }
        let request = ring[head]
        head = (head + 1) & (ring.count - 1)
        inFlight -= 1
        return request
    }
}
