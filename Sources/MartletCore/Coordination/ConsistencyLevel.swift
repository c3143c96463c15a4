/// How many owners have to answer a request, as a client or a keyspace names it.
///
/// A level is resolved against the owners of a key (``Quorum``) before anything is sent.
public enum ConsistencyLevel: Hashable, Sendable {
    /// Any one owner.
    case one
    /// A majority of all owners.
    case quorum
    /// Every owner.
    case all
    /// A majority of the owners in the coordinator's own data center.
    case localQuorum
    /// A majority of the owners in each data center that has any.
    case eachQuorum
    /// So many owners, wherever they are.
    case count(Int)

    /// Reads a level's name, in any case, or a number from 1 on.
    public init(parsing text: String) throws(ConsistencyFault) {
        switch text.lowercased() {
        case "one": self = .one
        case "quorum": self = .quorum
        case "all": self = .all
        case "local_quorum": self = .localQuorum
        case "each_quorum": self = .eachQuorum
        default:
            guard let first = text.utf8.first, first >= 48, first <= 57, let count = Int(text) else {
                throw .unknownLevel(String(text.prefix(40)))
            }
            guard count >= 1, count <= PositionSet.capacity else { throw .impossibleCount(count) }
            self = .count(count)
        }
    }

    /// The name that ``init(parsing:)`` reads.
    public var name: String {
        switch self {
        case .one: "one"
        case .quorum: "quorum"
        case .all: "all"
        case .localQuorum: "local_quorum"
        case .eachQuorum: "each_quorum"
        case .count(let count): String(count)
        }
    }
}

extension ConsistencyLevel {
    /// The level in one byte: below 128 a number of owners, from 128 on a named level.
    public var code: UInt8 {
        switch self {
        case .one: 128
        case .quorum: 129
        case .all: 130
        case .localQuorum: 131
        case .eachQuorum: 132
        case .count(let count): UInt8(clamping: Swift.min(count, PositionSet.capacity))
        }
    }

    /// What ``code`` stands for; nil for a byte that stands for nothing.
    public init?(code: UInt8) {
        switch code {
        case 1...UInt8(PositionSet.capacity): self = .count(Int(code))
        case 128: self = .one
        case 129: self = .quorum
        case 130: self = .all
        case 131: self = .localQuorum
        case 132: self = .eachQuorum
        default: return nil
        }
    }
}

/// Why a level cannot be used. It is refused before anything is sent, so the request was not applied.
public enum ConsistencyFault: Error, Hashable, Sendable {
    /// Neither a level's name nor a number.
    case unknownLevel(String)
    /// A number of owners that no key has.
    case impossibleCount(Int)
    /// More owners than the key has.
    case tooFewOwners(needed: Int, owners: Int)
    /// `local_quorum` at a node whose data center owns no replica of the key.
    case noLocalOwner

    /// One line for a person: what is wrong and what is allowed.
    public var message: String {
        switch self {
        case .unknownLevel(let text):
            "unknown consistency level '\(text)': use one, quorum, all, local_quorum, each_quorum or a number"
        case .impossibleCount(let count):
            "a consistency level of \(count) replicas is out of range: use 1 to \(PositionSet.capacity)"
        case .tooFewOwners(let needed, let owners):
            "the consistency level needs \(needed) replicas but the key has \(owners)"
        case .noLocalOwner:
            "local_quorum needs a replica in this data center, which has none of the key"
        }
    }
}
