/// What a keyspace keeps of writes that did not know of each other.
public enum ConflictPolicy: UInt8, Sendable, CaseIterable {
    /// The write of the greatest stamp, then dot. Truly concurrent writes below it are lost.
    case latest = 0
    /// All of them, until a client that has seen them writes anew.
    case siblings = 1
}
