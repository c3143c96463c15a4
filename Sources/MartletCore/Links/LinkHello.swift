/// The first message of both sides of a link.
///
/// Magic, the newest and the oldest version spoken, feature bits, flags, cluster id, node, the node it is meant for,
/// incarnation, epoch, digest, the link session proposed, the sender's worker and workers, the worker wanted, a nonce.
/// Bytes after these are a newer version's and are skipped.
public struct LinkHello: Hashable, Sendable {
    /// `MARTLET` and a zero.
    static let magic: UInt64 = 0x0054_454C_5452_414D
    /// The protocol's version that this code speaks, and the oldest it can.
    static let version: UInt16 = 1
    static let oldestVersion: UInt16 = 1
    public static let digestLength = 16
    static let nonceLength = 32
    /// Bytes of a founding description: 1,000 nodes and their settings, and room.
    public static let longestFounding = 512 << 10
    /// The longest frame before a link is open.
    public static let longestFrame = longestFounding + (16 << 10)

    var version = Self.version
    var oldestVersion = Self.oldestVersion
    var features: UInt64
    var hasSecret: Bool
    var cluster: String
    var node: UInt32
    /// The node this hello is meant for.
    var target: UInt32
    var incarnation: UInt64
    var epoch: UInt64
    var digest: [UInt8]
    var session: UInt64
    var worker: UInt16
    var workers: UInt16
    /// The worker at the other end to be linked with, which takes it modulo its own number of workers.
    public internal(set) var wanted: UInt16
    var nonce: [UInt8]

    init(_ identity: LinkIdentity, target: UInt32, session: UInt64, worker: Int, wanted: Int, nonce: [UInt8]) {
        precondition(nonce.count == Self.nonceLength)
        features = identity.features
        hasSecret = identity.authenticator != nil
        cluster = identity.cluster
        node = identity.node
        self.target = target
        incarnation = identity.incarnation
        epoch = identity.epoch
        digest = identity.digest
        self.session = session
        self.worker = UInt16(clamping: worker)
        workers = UInt16(clamping: identity.workers)
        self.wanted = UInt16(clamping: wanted)
        self.nonce = nonce
    }

    func encoded() -> [UInt8] {
        var buffer = ByteBuffer(capacity: 160)
        buffer.append(littleEndian: Self.magic)
        buffer.append(littleEndian: version)
        buffer.append(littleEndian: oldestVersion)
        buffer.append(littleEndian: features)
        buffer.append(hasSecret ? 1 : 0 as UInt8)
        buffer.append(varint: UInt64(cluster.utf8.count))
        buffer.append(cluster)
        buffer.append(littleEndian: node)
        buffer.append(littleEndian: target)
        buffer.append(littleEndian: incarnation)
        buffer.append(littleEndian: epoch)
        buffer.append(digest)
        buffer.append(littleEndian: session)
        buffer.append(littleEndian: worker)
        buffer.append(littleEndian: workers)
        buffer.append(littleEndian: wanted)
        buffer.append(nonce)
        return buffer.copy()
    }

    /// Reads a hello; a version with which there is nothing in common is told as such, whatever follows it.
    public init(_ bytes: RawSpan) throws(LinkRefusal) {
        guard bytes.byteCount >= 12, bytes.littleEndian(0, as: UInt64.self) == Self.magic else {
            throw LinkRefusal(.malformed, "a hello that is none")
        }
        version = bytes.littleEndian(8, as: UInt16.self)
        oldestVersion = bytes.littleEndian(10, as: UInt16.self)
        guard version >= Self.oldestVersion, oldestVersion <= Self.version else {
            throw LinkRefusal(
                .version,
                "protocol versions \(oldestVersion) to \(version) there, \(Self.oldestVersion) to \(Self.version) here")
        }
        var cursor = ByteCursor(at: 12)
        do throws(ByteCursor.Malformed) {
            features = try cursor.littleEndian(of: bytes, as: UInt64.self)
            hasSecret = try cursor.byte(of: bytes) & 1 == 1
            cluster = bytes.extracting(try cursor.run(of: bytes, upTo: 255)).text
            node = try cursor.littleEndian(of: bytes, as: UInt32.self)
            target = try cursor.littleEndian(of: bytes, as: UInt32.self)
            incarnation = try cursor.littleEndian(of: bytes, as: UInt64.self)
            epoch = try cursor.littleEndian(of: bytes, as: UInt64.self)
            digest = bytes.extracting(try cursor.take(Self.digestLength, of: bytes)).array
            session = try cursor.littleEndian(of: bytes, as: UInt64.self)
            worker = try cursor.littleEndian(of: bytes, as: UInt16.self)
            workers = try cursor.littleEndian(of: bytes, as: UInt16.self)
            wanted = try cursor.littleEndian(of: bytes, as: UInt16.self)
            nonce = bytes.extracting(try cursor.take(Self.nonceLength, of: bytes)).array
            guard workers > 0, worker < workers, session < .max else { throw .init() }
        } catch {
            throw LinkRefusal(.malformed, "a hello that cannot be read")
        }
    }
}
