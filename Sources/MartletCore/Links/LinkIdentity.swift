/// Proves the knowledge of a cluster secret without telling it.
public protocol LinkAuthenticator: Sendable {
    /// A code of `message` that only who knows the secret can make; always of the same length.
    func code(for message: [UInt8]) -> [UInt8]
    /// Whether `code` is that of `message`, in a time that does not depend on where they differ.
    func verifies(_ code: [UInt8], for message: [UInt8]) -> Bool
}

/// What a node says of itself to each node it links with, and what it compares with what the other says.
public struct LinkIdentity: Sendable {
    /// The cluster's id; at most 255 bytes of UTF-8.
    public var cluster: String
    public var node: UInt32
    /// Which data set of the node this is.
    public var incarnation: UInt64
    /// The epoch of the topology that the node is in.
    public var epoch: UInt64 = 1
    /// The digest of the settings that the cluster was founded with, 16 bytes.
    public var digest: [UInt8]
    /// What the digest was made of: shown to a node with another digest, so that both can say what differs.
    public var founding: [UInt8]
    /// Bits of what this node can do beyond the protocol's version; a link uses those that both have.
    public var features: UInt64 = 0
    /// The node's workers.
    public var workers: Int
    /// Made of the cluster secret; nil if there is none.
    public var authenticator: (any LinkAuthenticator)?
    /// Names the first setting in which two founding descriptions differ: `node count: 3 here, 5 there`.
    public var firstDifference: @Sendable (_ mine: [UInt8], _ theirs: [UInt8]) -> String

    public init(
        cluster: String, node: UInt32, incarnation: UInt64, digest: [UInt8], founding: [UInt8] = [], workers: Int = 1,
        authenticator: (any LinkAuthenticator)? = nil,
        firstDifference: @escaping @Sendable ([UInt8], [UInt8]) -> String = { _, _ in "the founding settings differ" }
    ) {
        precondition(digest.count == LinkHello.digestLength && cluster.utf8.count <= 255 && workers > 0)
        precondition(founding.count <= LinkHello.longestFounding)
        self.cluster = cluster
        self.node = node
        self.incarnation = incarnation
        self.digest = digest
        self.founding = founding
        self.workers = workers
        self.authenticator = authenticator
        self.firstDifference = firstDifference
    }
}

/// The other side of a link, as it proved itself.
public struct LinkPeer: Hashable, Sendable {
    public var node: UInt32
    public var incarnation: UInt64
    /// The link's number, the same on both sides and above that of every earlier link of the two.
    public var session: UInt64
    public var epoch: UInt64
    /// Bits of what both can do.
    public var features: UInt64
    /// The worker at the other end, and how many that node has.
    public var worker: Int
    public var workers: Int

    public init(
        node: UInt32, incarnation: UInt64, session: UInt64, epoch: UInt64, features: UInt64, worker: Int, workers: Int
    ) {
        self.node = node
        self.incarnation = incarnation
        self.session = session
        self.epoch = epoch
        self.features = features
        self.worker = worker
        self.workers = workers
    }
}
