extension CommandShape {
    /// One key, the first argument.
    static let key = CommandShape.keys(first: 1, last: 1, step: 1)
    /// The first two arguments.
    static let twoKeys = CommandShape.keys(first: 1, last: 2, step: 1)
    /// All arguments.
    static let allKeys = CommandShape.keys(first: 1, last: -1, step: 1)
    /// Key, value, key, value, ...
    static let pairs = CommandShape.keys(first: 1, last: -1, step: 2)
}

/// Flags that many rows share, in Redis' order.
enum Flags {
    static let read = ["readonly", "fast"]
    static let slowRead = ["readonly"]
    static let write = ["write", "denyoom"]
    static let fastWrite = ["write", "denyoom", "fast"]
    static let remove = ["write"]
    static let fastRemove = ["write", "fast"]
    static let connection = ["noscript", "loading", "stale"]
    static let admin = ["admin", "noscript", "loading", "stale"]
    static let handshake = ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"]
    static let always = ["loading", "stale"]
}
