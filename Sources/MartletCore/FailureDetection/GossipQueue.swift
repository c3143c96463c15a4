/// Claims on their way through the cluster, each carried by messages that are sent anyway.
///
/// It holds one claim for a member, the newest, or as many suspicions as confirm one another, so it never outgrows the
/// cluster; those passed on least go first.
struct GossipQueue: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        var claim: LivenessClaim
        var sent: Int
    }

    /// By how often they were passed on, the least first; of equals the newest first.
    private var entries: [Entry] = []

    var count: Int { entries.count }

    /// Begins to pass on a claim, in place of whatever there was on its member but equal suspicions by others.
    /// O(count).
    mutating func add(_ claim: LivenessClaim) {
        entries.removeAll {
            let isConfirmed =
                claim.liveness == .suspect && $0.claim.liveness == .suspect
                && $0.claim.refutation == claim.refutation && $0.claim.accuser != claim.accuser
            return $0.claim.node == claim.node && !isConfirmed
        }
        entries.insert(Entry(claim: claim, sent: 0), at: 0)
    }

    /// The claims for the next message, at most `limit`, each counted as passed on, and gone for good after
    /// `transmissions` of that. O(count).
    mutating func take(_ limit: Int, transmissions: Int) -> [LivenessClaim] {
        guard !entries.isEmpty else { return [] }
        let taken = min(limit, entries.count)
        let claims = entries[..<taken].map(\.claim)
        for index in 0..<taken { entries[index].sent += 1 }
        // Runs of equals stay in place among themselves: a merge of what was taken with the rest.
        var merged: [Entry] = []
        merged.reserveCapacity(entries.count)
        var (mine, rest) = (0, taken)
        while mine < taken || rest < entries.count {
            let takesMine = rest == entries.count || (mine < taken && entries[mine].sent < entries[rest].sent)
            let next = takesMine ? entries[mine] : entries[rest]
            if takesMine { mine += 1 } else { rest += 1 }
            if next.sent < transmissions { merged.append(next) }
        }
        entries = merged
        return claims
    }

    /// Drops what is said against others: the word of one who was cut off itself.
    mutating func removeAccusations() { entries.removeAll { $0.claim.liveness != .alive } }

    /// Drops what is said of those who are members no more.
    mutating func remove(where isGone: (UInt32) -> Bool) { entries.removeAll { isGone($0.claim.node) } }
}
