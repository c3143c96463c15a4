/// Merges what two replicas hold of one key (dotted version vector sets: Preguiça et al. 2012).
///
/// Each side's context says which writes it has seen, its siblings which of them it keeps: a write that is covered by a
/// context and is no sibling there was superseded. So merging is a join: whatever the order, and however often, the
/// same records are merged, the same logical record comes out (``RecordDigest``).
///
/// - Under ``ConflictPolicy/latest`` the sibling of the greatest (stamp, dot) of both sides is kept, a tombstone too;
///   contexts are only united. A coordinator mints above all that it supersedes, so the winner is never one that was
///   superseded. Two writes of one retry token need no rule of their own: at most one of them is kept.
/// - Under ``ConflictPolicy/siblings`` those that the other side keeps too, or has not seen, are kept. Of the dots with
///   one retry token only the earliest, by (stamp, dot), counts as a write: the others are dropped, also where that one
///   was superseded since. Where a client replaced any of them, all are replaced.
///
/// Under both, the tokens of writes that are siblings no more are remembered (``RetryMemory``).
///
/// Where no sibling is left (contexts that no histories of writes give, or retries that superseded each other in a
/// ring), the greatest by (stamp, dot) is kept: a record is never without a sibling.
public enum RecordMerge {
    /// Which bytes hold the merged record.
    public enum Outcome: Sendable, Equatable {
        /// The local ones: nothing was written, what is here covers what came.
        case local
        /// The remote ones, as they are.
        case remote
        /// Those that were appended.
        case merged
    }

    /// Merges two records found under `storedKey`; appends to `buffer` only if neither is the result.
    ///
    /// Allocates nothing if both have one sibling and no section, nor if both are the same bytes.
    /// O(context entries), O(n log n) with several siblings.
    ///
    /// - Throws: if either is damaged. What a peer sends is checked before (``RecordValidator``), so that here it is
    ///   the local one; ``replacement(remote:storedKey:fresh:into:)`` says what to store then.
    public static func merge(
        local: RawSpan, remote: RawSpan, storedKey: RawSpan, policy: ConflictPolicy, into buffer: inout ByteBuffer
    ) throws(RecordView.Damage) -> Outcome {
        let keyHash = XXH3.hash(storedKey, seed: 0)
        try RecordView.check(local, keyHash: keyHash)
        if local.equals(remote) { return .local }
        try RecordView.check(remote, keyHash: keyHash)
        if let mine = SoleRecord(local), let theirs = SoleRecord(remote),
            let contexts = ContextComparison(mine, of: local, theirs, of: remote),
            !hasToRemember(mine.sibling, theirs.sibling, contexts)
        {
            let kept = try choose(mine.sibling, of: local, theirs.sibling, of: remote, contexts, policy)
            if !kept.remote, contexts.localCovers { return .local }
            if !kept.local, contexts.remoteCovers { return .remote }
            try append(mine, of: local, theirs, of: remote, contexts, kept, keyHash, to: &buffer)
            return .merged
        }
        guard let mine = try? RecordView(parsing: local), let theirs = try? RecordView(parsing: remote) else {
            throw .damaged
        }
        return try mergeParts(mine, of: local, theirs, of: remote, keyHash, policy, into: &buffer)
    }

    // MARK: One sibling on each side

    /// Whether a token has to be remembered when one of them goes, or tells that both are one write.
    @inline(__always)
    private static func hasToRemember(
        _ mine: RecordSibling, _ theirs: RecordSibling, _ contexts: ContextComparison
    ) -> Bool {
        guard mine.token != nil || theirs.token != nil else { return false }
        return contexts.localIndex != contexts.remoteIndex || mine.counter != theirs.counter
    }

    /// Which of two sole siblings are kept; one at least.
    @inline(__always)
    private static func choose(
        _ mine: RecordSibling, of local: RawSpan, _ theirs: RecordSibling, of remote: RawSpan,
        _ contexts: ContextComparison, _ policy: ConflictPolicy
    ) throws(RecordView.Damage) -> (local: Bool, remote: Bool) {
        guard mine.counter > 0, mine.counter <= contexts.localEntry, theirs.counter > 0,
            theirs.counter <= contexts.remoteEntry
        else { throw .damaged }
        let sameActor = contexts.localIndex == contexts.remoteIndex
        if sameActor, mine.counter == theirs.counter {
            let (a, b) = (Content(mine), Content(theirs))
            var isLocal = a.isKept(over: b, of: local, remote)
            if isLocal, !contexts.localCovers, contexts.remoteCovers, b.isKept(over: a, of: remote, local) {
                isLocal = false  // the same value in a longer history: the remote's bytes will do
            }
            return (isLocal, !isLocal)
        }
        let isLocalBelow =
            sameActor ? mine.counter < theirs.counter : contexts.localIndex < contexts.remoteIndex
        let isLocalNewer = mine.stamp == theirs.stamp ? !isLocalBelow : mine.stamp > theirs.stamp
        guard policy == .siblings else { return (isLocalNewer, !isLocalNewer) }
        let keepsLocal = contexts.localSeenByRemote < mine.counter
        let keepsRemote = contexts.remoteSeenByLocal < theirs.counter
        guard keepsLocal == keepsRemote else { return (keepsLocal, keepsRemote) }
        if !keepsLocal { return (isLocalNewer, !isLocalNewer) }
        return (true, true)
    }

    private static func append(
        _ mine: SoleRecord, of local: RawSpan, _ theirs: SoleRecord, of remote: RawSpan,
        _ contexts: ContextComparison, _ kept: (local: Bool, remote: Bool), _ keyHash: UInt64,
        to buffer: inout ByteBuffer
    ) throws(RecordView.Damage) {
        let (a, b) = (mine.sibling, theirs.sibling)
        let isLocalFirst =
            contexts.localIndex == contexts.remoteIndex
            ? a.counter < b.counter : contexts.localIndex < contexts.remoteIndex
        let isTombstone = (!kept.local || a.isTombstone) && (!kept.remote || b.isTombstone)
        let common = kept.local && (isLocalFirst || !kept.remote) ? a.codec : b.codec
        buffer.reserve(local.byteCount + remote.byteCount + 16)
        let start = RecordEncoder.begin(&buffer, kind: isTombstone ? .tombstone : .string, codec: common)
        do throws(ByteCursor.Malformed) {
            try ContextComparison.appendUnion(mine, of: local, theirs, of: remote, contexts.count, to: &buffer)
        } catch {
            throw .damaged
        }
        buffer.append(UInt8(kept.local && kept.remote ? 2 : 1))
        let (i, j) = (UInt64(contexts.localIndex), UInt64(contexts.remoteIndex))
        if kept.local, isLocalFirst || !kept.remote {
            RecordEncoder.copy(&buffer, common: common, index: i, sibling: a, of: local)
        }
        if kept.remote { RecordEncoder.copy(&buffer, common: common, index: j, sibling: b, of: remote) }
        if kept.local, kept.remote, !isLocalFirst {
            RecordEncoder.copy(&buffer, common: common, index: i, sibling: a, of: local)
        }
        RecordEncoder.finish(&buffer, from: start, keyHash: keyHash)
    }
}

/// What of a sibling tells two copies of one dot apart. They differ only in how they are packed or in whether the bytes
/// of an expired value were dropped; for all else an order stands in, so that copies of a dot that was reused converge.
struct Content {
    var stamp: UInt64
    var expiry: Int64
    var isTombstone: Bool
    var codec: RecordFormat.Codec
    var value: Range<Int>

    init(_ sibling: RecordSibling) {
        (stamp, expiry, isTombstone) = (sibling.stamp, sibling.expiry, sibling.isTombstone)
        (codec, value) = (sibling.codec, sibling.value)
    }

    /// False if the other copy is to be kept; equal ones are kept as they are here.
    func isKept(over other: Content, of record: RawSpan, _ otherRecord: RawSpan) -> Bool {
        if stamp != other.stamp { return stamp > other.stamp }
        if expiry != other.expiry { return expiry > other.expiry }
        if isTombstone != other.isTombstone { return isTombstone || expiry != .max }
        guard codec == other.codec else { return true }
        return record.extracting(value).compare(otherRecord.extracting(other.value)) >= 0
    }
}
