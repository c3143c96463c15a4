internal import MartletRuntime

/// A copy of one stored record, on its way between workers.
public struct RecordCopy: Sendable {
    var storedKey: [UInt8]
    /// Nil if there is none.
    var record: [UInt8]?
    /// Too few owners hold it intact: what it says is no answer, but a write may stand in its place.
    var isDamaged = false
    /// This node's own record is not intact, or not part of it: what it minted for the key before is not known.
    var needsBirth = false
}

/// What a command over the keys of several workers wrote.
public struct GatheredWrites: Sendable {
    /// In the order they were written; a record of nil is a delete.
    public internal(set) var records: [RecordCopy] = []
    var durability: Durability
    /// What the request asked of every replica that counts; `none` if it left that to each.
    var asked = Durability.none
    /// Per write the keyspace and how its counts of records and of records that expire change.
    var effects: [(keyspace: Int, count: Int, expiring: Int)] = []

    init(durability: Durability) { self.durability = durability }
}
