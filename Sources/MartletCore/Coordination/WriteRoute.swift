/// Who mints and coordinates a write: dots come from replicas of the key, never from a node that only passes it on.
public enum WriteRoute: Hashable, Sendable {
    /// This node: it owns the key, or, with `isStandIn`, no owner can be reached and it is the first healthy node of
    /// the walk; then it mints under its own actor and keeps value and hint.
    case here(isStandIn: Bool)
    /// The node at a position is handed the write.
    case handOver(to: Int, isStandIn: Bool)
    /// Nobody can mint: the write is not applied, for want of a quorum.
    case nobody

    /// Decides for a write that does not depend on what is stored: here if this node is a fit owner, else by the first
    /// fit one.
    ///
    /// - Parameters:
    ///   - owners: positions 0..<owners own the key.
    ///   - fit: positions that are reachable, caught up as far as is known, with a sound clock, and that have not
    ///     refused this write already. This node's own position is among them only if it is fit itself.
    ///   - own: this node's position; nil if it is not on the list.
    ///   - isSloppy: whether a fallback may mint where no owner can.
    public static func write(owners: Int, fit: PositionSet, own: Int?, isSloppy: Bool) -> WriteRoute {
        if let own, own < owners, fit.contains(own) { return .here(isStandIn: false) }
        return readModifyWrite(owners: owners, fit: fit, own: own, isSloppy: isSloppy)
    }

    /// Decides for a write that depends on what is stored: always by the first fit owner, so that as long as all
    /// coordinators see the same nodes alive, one of them queues all such writes of a key. Parameters as those of
    /// ``write(owners:fit:own:isSloppy:)``.
    public static func readModifyWrite(owners: Int, fit: PositionSet, own: Int?, isSloppy: Bool) -> WriteRoute {
        guard let first = fit.first, first < owners || isSloppy else { return .nobody }
        let isStandIn = first >= owners
        return first == own ? .here(isStandIn: isStandIn) : .handOver(to: first, isStandIn: isStandIn)
    }
}
