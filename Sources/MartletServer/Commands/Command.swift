public import MartletNode

/// What a command touches, which decides how it is driven.
public enum CommandShape: Sendable {
    /// The connection and node only: runs at once.
    case connection
    /// The keys at these argument positions, as in Redis' key specification: `first`...`last` by `step`; a negative
    /// `last` counts from the end. Their records are resident when the handler runs.
    case keys(first: Int, last: Int, step: Int)
    /// The whole keyspace (KEYS, SCAN, DBSIZE, FLUSHDB, ...): driven apart, it may take many turns.
    case keyspace
    /// The cluster (MARTLET.CLUSTER): asks workers and other nodes, driven apart.
    case cluster
}

/// A command of the front door: one row of the table.
public struct Command: Sendable {
    /// Runs the command: reads `call`'s arguments out of `input`, uses its transaction, appends exactly one reply.
    ///
    /// It is synchronous: it neither waits nor keeps `input`.
    public typealias Handler = @Sendable (_ input: RawSpan, _ call: Invocation) -> Void

    /// Lower case. A subcommand's container is one command.
    public var name: String
    /// Arguments with the name: exactly this many, or at least `-arity`.
    public var arity: Int
    public var shape: CommandShape
    /// Redis' flags: `write`, `readonly`, `fast`, `denyoom`, `loading`, `stale`, ...
    public var flags: [String]
    /// For COMMAND DOCS.
    public var summary: String
    public var group: String
    public var since: String
    public var handler: Handler
    /// Of a container: named `container|subcommand`, each with its own arity, shape and handler.
    public var subcommands: [Command]

    public init(
        _ name: String, arity: Int, shape: CommandShape, flags: [String], summary: String, group: String = "string",
        since: String = "1.0.0", subcommands: [Command] = [], handler: @escaping Handler
    ) {
        self.name = name
        self.arity = arity
        self.shape = shape
        self.flags = flags
        self.summary = summary
        self.group = group
        self.since = since
        self.subcommands = subcommands
        self.handler = handler
    }
}

/// One command being run: its arguments, its view of the data, its connection and where the reply goes.
///
/// One object per worker is used again for each command; nothing of it is kept past the handler's return.
public final class Invocation {
    /// Where each argument lies in the input; the name is argument 0.
    public var arguments: [Range<Int>] = []
    public var reply = ReplyWriter()
    public var transaction: Transaction
    public var session: Session
    /// On a node that is one of several: who answered what the command reads, over which it runs.
    public var answered: [String]?
    /// How many of these are no owners of the key, but stand in for some.
    public var standIns = 0
    /// The reply is a receipt that ends with who acknowledged the write: to be appended once that is known.
    public var owesAcknowledgement = false

    public init(transaction: Transaction, session: Session) {
        self.transaction = transaction
        self.session = session
    }

    /// Arguments with the name.
    @inlinable public var count: Int { arguments.count }

    /// Where argument `index` lies: `input.extracting(call[1])`.
    @inlinable public subscript(index: Int) -> Range<Int> { arguments[index] }
}
