internal import MartletCore
internal import MartletRuntime

/// What a transport keeps for each peer: where it is, and the one link to it.
final class PeerLink {
    let node: UInt32
    /// Where to connect to; nil for a link that only the peer makes.
    var address: SocketAddress?
    var keeper: LinkKeeper
    /// The open link.
    var open: LinkStream?
    /// The stream being made, until it is open or gone.
    var dialing: LinkStream?
    var retry: (any LoopTimer)?

    init(node: UInt32, address: SocketAddress?, keeper: LinkKeeper) {
        self.node = node
        self.address = address
        self.keeper = keeper
    }
}
