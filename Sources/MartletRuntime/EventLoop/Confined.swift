/// Carries a value that is not `Sendable` through code that is checked for it, to the one thread that uses it.
///
/// By the author's word: everything that touches ``value`` runs on one loop, or on one blocking executor, or the value
/// is handed over and no longer used where it came from. Where that is a loop, ``init(_:on:)`` has it checked.
public struct Confined<Value>: @unchecked Sendable {
    private let content: Value
    private let loop: (any EventLoop)?

    public init(_ value: Value, on loop: (any EventLoop)? = nil) {
        content = value
        self.loop = loop
    }

    /// For a value that was made elsewhere and is used on `loop` alone from now on.
    public init(_ value: Value, handedTo loop: any EventLoop) { self.init(value, on: loop) }

    /// The value where it is not yet, or no longer, used by its loop.
    public var handedOver: Value { content }

    public var value: Value {
        assert(loop?.isCurrent != false, "used off its loop")
        return content
    }

    /// Runs `body` with the value on its loop, in a later step; callable from any thread.
    public func post(_ body: @escaping @Sendable (Value) -> Void) {
        guard let loop else { preconditionFailure("no loop was named for this value") }
        loop.post { body(content) }
    }
}
