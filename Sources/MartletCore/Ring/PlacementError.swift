/// Why members, weights, partitions and replicas cannot be made into a ring.
public struct PlacementError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of fault it is; more may come.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        /// No member at all, or more than partitions can be shared among.
        public static let memberCount = Code(rawValue: "memberCount")
        /// Two members with one id, or with one name.
        public static let duplicateMember = Code(rawValue: "duplicateMember")
        /// A weight of zero, or one beyond ``Member/maximumWeight``.
        public static let weight = Code(rawValue: "weight")
        /// Not a power of two, too many, or too few for the members.
        public static let partitions = Code(rawValue: "partitions")
        /// Fewer than one replica, or more than ``Placement/maximumReplicas``.
        public static let replicas = Code(rawValue: "replicas")
        /// More replicas than there are nodes to hold them, in all or in one data center.
        public static let tooFewNodes = Code(rawValue: "tooFewNodes")
        /// A data center that no member is in, or one that is named twice.
        public static let dataCenter = Code(rawValue: "dataCenter")
        /// Two keyspaces with one id or one name, none at all, or one whose settings cannot be.
        public static let keyspace = Code(rawValue: "keyspace")
        /// A name that is empty or beyond 255 bytes, or more names than fit into a hello.
        public static let name = Code(rawValue: "name")
        /// Bytes that are no founding description.
        public static let malformed = Code(rawValue: "malformed")
    }

    public let code: Code
    /// A sentence for a person: what is wrong and what is allowed.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
