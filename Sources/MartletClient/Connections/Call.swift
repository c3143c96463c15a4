import MartletRuntime

/// What a caller asks of a server.
struct Request: Sendable {
    /// Bytes to send; nil asks for no more than a connection that is ready.
    var command: [UInt8]?
    var shape: ReplyShape
    /// Whether it may change data, so that its outcome can be unknown.
    var isWrite: Bool
    /// From now; nil for the settings' deadline.
    var deadline: Duration?
}

/// A request with the caller that waits for its end.
struct Call {
    var request: Request
    /// The caller, once it waits.
    var continuation: CheckedContinuation<Result<Reply, MartletError>, Never>?
    /// Hears the end, on the loop, in the place of a caller.
    var completion: (@Sendable (Result<Reply, MartletError>) -> Void)?
    /// The connection it was sent on; nil while it waits for one.
    var connection: UInt64?
    /// How often a connection took it.
    var attempts = 0

    /// What is known of its effect if it ends now without reply.
    var outcome: MartletError.Outcome { request.isWrite && connection != nil ? .unknown : .notApplied }
}
