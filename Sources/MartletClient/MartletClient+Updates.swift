extension MartletClient {
    /// Rounds of ``update(_:as:level:durability:expires:deadline:resolving:)`` at most.
    static let updateRounds = 8

    /// Reads what there is of `key`, has it resolved into one value, and writes that over what was read; again while
    /// writes that came between stay beside it.
    ///
    /// ```swift
    /// try await client.update("cart:7", as: Cart.self) { siblings in
    ///     var cart = siblings.reduce(Cart()) { $0.union($1.value) }
    ///     cart.add(item)
    ///     return cart
    /// }
    /// ```
    /// Nothing of others is lost in a keyspace that keeps siblings. In one that keeps the latest, a write that comes
    /// between the read and the write is overwritten.
    ///
    /// - Parameters:
    ///   - level: For the write; the read has the keyspace's own.
    ///   - deadline: How long each of the calls may take, instead of ``ClientSettings/deadline``.
    ///   - resolve: Gets the values, the latest first; none if there is none. It may be called several times.
    /// - Returns: The receipt of the last write; its ``Receipt/siblingsLeft`` is not 0 if others kept writing.
    /// - Throws: ``MartletError``. After one of unknown outcome the change may be part of what is read next.
    @discardableResult
    public func update<Value: MartletValue>(
        _ key: MartletKey, as type: Value.Type = Value.self, level: Level? = nil, durability: WriteDurability? = nil,
        expires: Expiry = .never, deadline: Duration? = nil, resolving resolve: ([Sibling<Value>]) -> Value
    ) async throws(MartletError) -> Receipt {
        var round = 1
        while true {
            let found = try await find(key, as: type, level: nil, deadline: deadline)
            let receipt = try await put(
                key, resolve(found?.1 ?? []), expires: expires, level: level, durability: durability,
                context: found?.0.context, deadline: deadline)
            guard receipt.siblingsLeft > 0, round < Self.updateRounds else { return receipt }
            round += 1
        }
    }

    /// Stores what `resolve` makes of the values that there are; another name for
    /// ``update(_:as:level:durability:expires:deadline:resolving:)``.
    @discardableResult
    public func put<Value: MartletValue>(
        _ key: MartletKey, level: Level? = nil, durability: WriteDurability? = nil, deadline: Duration? = nil,
        resolving resolve: ([Sibling<Value>]) -> Value
    ) async throws(MartletError) -> Receipt {
        try await update(key, level: level, durability: durability, deadline: deadline, resolving: resolve)
    }

    /// All siblings of `key` in one; nil if there is none.
    public func merged<Value: Mergeable>(
        _ key: MartletKey, as type: Value.Type = Value.self, level: Level? = nil, deadline: Duration? = nil
    ) async throws(MartletError) -> Value? {
        guard let (_, siblings) = try await find(key, as: type, level: level, deadline: deadline) else { return nil }
        return Self.merged(siblings)
    }

    /// Merges a value with what there is of `key`, and stores that.
    ///
    /// What was stored before is part of it, whoever wrote meanwhile. Parameters, result and errors are those of
    /// ``update(_:as:level:durability:expires:deadline:resolving:)``; it may be done again without harm.
    @discardableResult
    public func merge<Value: Mergeable>(
        _ value: Value, into key: MartletKey, level: Level? = nil, durability: WriteDurability? = nil,
        deadline: Duration? = nil
    ) async throws(MartletError) -> Receipt {
        try await update(key, as: Value.self, level: level, durability: durability, deadline: deadline) { siblings in
            Self.merged(siblings)?.merged(with: value) ?? value
        }
    }

    /// Merges what there is of `key`, changes it, and stores that.
    ///
    /// The change is made once, whatever comes between: further rounds merge only. Parameters, result and errors are
    /// those of ``update(_:as:level:durability:expires:deadline:resolving:)``.
    ///
    /// - Parameters:
    ///   - initial: What to change where there is no value.
    @discardableResult
    public func update<Value: Mergeable>(
        _ key: MartletKey, from initial: Value, level: Level? = nil, durability: WriteDurability? = nil,
        deadline: Duration? = nil, _ change: (inout Value) -> Void
    ) async throws(MartletError) -> Receipt {
        var changed: Value?
        return try await update(key, as: Value.self, level: level, durability: durability, deadline: deadline) {
            siblings in
            let present = Self.merged(siblings) ?? initial
            if let changed { return present.merged(with: changed) }
            var value = present
            change(&value)
            changed = value
            return value
        }
    }

    private static func merged<Value: Mergeable>(_ siblings: [Sibling<Value>]) -> Value? {
        guard let first = siblings.first else { return nil }
        return siblings.dropFirst().reduce(first.value) { $0.merged(with: $1.value) }
    }
}
