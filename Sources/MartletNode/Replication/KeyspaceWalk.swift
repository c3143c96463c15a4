public import MartletCore
internal import MartletRuntime

/// A walk over the live keys of a keyspace in the order of their places: slot, then hash.
///
/// In a cluster every stretch of slots is asked of the first of its owners that can be reached and is caught up, so
/// that a key counts once however many replicas it has; if that one is lost meanwhile, the next goes on from the same
/// place. What is told of a key is thus one replica's view: one that missed a write of late may not know it yet.
///
/// Asked are windows of slots, all their owners at the same time: a window of one partition at first, twice as long
/// whenever it held too few keys.
public struct KeyspaceWalk: Sendable {
    /// What of the cluster is walked over.
    public enum Coverage: Sendable {
        case cluster
        /// The partitions that a worker of this node answers for: it is the first of their owners.
        case worker(Int)
    }

    private let node: Node
    private let worker: Int
    private let keyspace: Int
    private let coverage: Coverage
    private let slots: Range<Int>
    private let arcs: Int
    /// Whether the node is one of several.
    private let isReplicated: Bool
    private var excluded = WalkExclusions()

    /// - Parameters:
    ///   - worker: whose replica is read where the node is alone; the caller's, so that it sees its own writes.
    ///   - slots: what the walk is limited to.
    public init(
        of keyspace: Int, on node: Node, worker: Int, covering coverage: Coverage, slots: Range<Int> = 0..<Slot.count
    ) async {
        (self.node, self.worker, self.keyspace) = (node, worker, keyspace)
        (self.coverage, self.slots) = (coverage, slots)
        let arcs = await node.coordinators[worker].arcs(ofKeyspace: keyspace)
        isReplicated = arcs != nil
        self.arcs = arcs ?? node.settings.partitions
    }

    /// The keys from a place on, about `limit` of them; `next` is where the next page begins, nil at the end.
    ///
    /// - Throws: `NOQUORUM` if nobody can tell of the next slots.
    public mutating func page(from place: UInt64, limit: Int) async throws(TransactionFailure) -> KeyPageReply {
        guard isReplicated else { return try await ownPage(from: place, limit: limit) }
        let end = UInt64(slots.upperBound) << 40
        var page = KeyPageReply(next: nil, seen: 0, live: 0, keys: [])
        var place = max(place, UInt64(slots.lowerBound) << 40)
        var span = 1
        while place < end, page.seen < limit {
            let window = window(at: place, span)
            let request = UInt32(clamping: min(limit - page.seen, 1 << 20))
            guard let (cut, pages) = try await ask(window, from: place, limit: request) else { continue }
            let isWhole = cut == UInt64(window.upperBound) << 40
            for part in pages {
                page.seen += part.seen
                page.keys += isWhole ? part.keys : part.keys.filter { self.place(of: $0) < cut }
            }
            place = cut
            span = isWhole ? span * 2 : max(1, span / 2)
        }
        page.live = page.keys.count
        page.next = place < end ? place : nil
        return page
    }

    /// The number of live keys. O(records).
    public mutating func count() async throws(TransactionFailure) -> Int {
        guard isReplicated else {
            do throws(StorageError) { return try await node.count(keyspace: keyspace) } catch {
                throw TransactionFailure(error)
            }
        }
        var count = 0
        var slot = slots.lowerBound
        while slot < slots.upperBound {
            let window = window(at: UInt64(slot) << 40, max(1, arcs / 16))
            let asked = try await ask(window, from: UInt64(slot) << 40, limit: 0)
            guard let (cut, pages) = asked else { continue }
            for part in pages { count += part.live }
            slot = Int(cut >> 40)
        }
        return count
    }

    // MARK: One window

    private func window(at place: UInt64, _ span: Int) -> Range<Int> {
        let (slot, width) = (Int(place >> 40), Slot.count / arcs)
        return slot..<min(slots.upperBound, (slot / width + min(span, arcs)) * width)
    }

    /// Asks all owners of a window at the same time.
    ///
    /// - Returns: up to where what they answered is all, and their answers; nil if an owner has to be asked anew, since
    ///   another one could not answer.
    private mutating func ask(
        _ window: Range<Int>, from place: UInt64, limit: UInt32
    ) async throws(TransactionFailure) -> (cut: UInt64, pages: [KeyPageReply])? {
        var question = WalkQuestion(
            keyspace: keyspace, window: window, from: place, limit: limit, arcs: arcs, isOwnOnly: false,
            excluded: excluded)
        var parts: [WalkPart] = []
        var cut = UInt64(window.upperBound) << 40
        switch coverage {
        case .worker(let worker):
            question.isOwnOnly = true
            (parts, _) = await node.coordinators[worker].ask(question)
        case .cluster:
            for coordinator in node.coordinators {
                let (some, gap) = await coordinator.ask(question)
                parts += some
                if let gap { cut = min(cut, UInt64(gap) << 40) }
            }
        }
        let hasGap = cut < UInt64(window.upperBound) << 40
        guard cut > place, limit > 0 || !hasGap else {
            throw TransactionFailure(
                reply: "NOQUORUM no owner of slot \(cut >> 40) can be reached and is caught up")
        }
        var pages: [KeyPageReply] = []
        var isWhole = true
        for part in parts {
            guard UInt64(part.firstSlot) << 40 < cut else { continue }
            switch part.answer {
            case .lost: (isWhole, _) = (false, excluded.nodes.insert(part.node))
            case .refused: isWhole = exclude(part.node, Int(part.firstSlot))
            case .page(let page):
                pages.append(page)
                guard let next = page.next else { continue }
                if next <= place {
                    (isWhole, _) = (false, excluded.nodes.insert(part.node))
                } else if limit == 0 {
                    isWhole = exclude(part.node, Int(next >> 40))
                } else {
                    cut = min(cut, next)
                }
            }
        }
        return isWhole ? (cut, pages) : nil
    }

    /// Asks a node no more about the partition of a slot; false.
    private mutating func exclude(_ node: UInt32, _ slot: Int) -> Bool {
        excluded.arcs[slot / (Slot.count / arcs), default: []].insert(node)
        return false
    }

    private func place(of key: [UInt8]) -> UInt64 {
        withBytes(of: key) { UInt64(Slot.of($0)) << 40 | StoredKey.hash($0, seed: node.settings.hashSeed) }
    }

    private func ownPage(from place: UInt64, limit: Int) async throws(TransactionFailure) -> KeyPageReply {
        do throws(StorageError) {
            let slot = slots.count == 1 ? UInt16(slots.lowerBound) : nil
            let page = try await node.replicas[worker].page(
                keyspace: keyspace, from: max(place, UInt64(slots.lowerBound) << 40), limit: limit, slot: slot)
            return KeyPageReply(next: page.next, seen: page.records, live: page.keys.count, keys: page.keys)
        } catch {
            throw TransactionFailure(error)
        }
    }
}

/// Who is not asked any more in a walk.
struct WalkExclusions: Sendable {
    /// Nodes that could not be reached, or answered nothing that makes sense.
    var nodes: Set<UInt32> = []
    /// By partition those that do not count for it.
    var arcs: [Int: Set<UInt32>] = [:]
}

/// A window of a walk, as a worker is asked about it.
struct WalkQuestion: Sendable {
    var keyspace: Int
    var window: Range<Int>
    var from: UInt64
    var limit: UInt32
    /// Partitions of all slots.
    var arcs: Int
    /// Whether only those count that this node answers for.
    var isOwnOnly: Bool
    var excluded: WalkExclusions
}

/// What one node answered for its part of a window.
struct WalkPart: Sendable {
    var node: UInt32
    var firstSlot: Int
    var answer: KeyPageAnswer
}

extension ReplicaCoordinator {
    /// Into how many arcs the slots of a keyspace are dealt to nodes and workers; nil for a node that is alone.
    func arcs(ofKeyspace keyspace: Int) -> Int? {
        replication.map { max($0.membership.keyspaces[keyspace].ring.partitions, store.settings.partitions) }
    }

    /// Asks the first fit owners of this worker's part of a window.
    ///
    /// - Returns: their answers, and the first slot that has no fit owner, beyond which nobody was asked.
    func ask(_ question: WalkQuestion) async -> (parts: [WalkPart], gap: Int?) {
        guard let replication else { return ([], question.window.lowerBound) }
        let state = store.keyspaces[question.keyspace]
        let (stretches, gap) = stretches(of: question, replication)
        let asks = stretches.map { stretch in
            (
                node: stretch.node,
                request: KeyPageRequest(
                    keyspace: state.settings.id, generation: state.generation, limit: question.limit,
                    from: question.from, slots: stretch.slots)
            )
        }
        let answers = await withCheckedContinuation { continuation in
            replication.askPages(asks) { continuation.resume(returning: $0) }
        }
        let parts = zip(stretches, answers).map { stretch, answer in
            WalkPart(node: stretch.node, firstSlot: stretch.slots[0].lowerBound, answer: answer)
        }
        return (parts, gap)
    }

    /// The slots of a window by the node that answers for them.
    private func stretches(
        of question: WalkQuestion, _ replication: Replication
    ) -> (stretches: [(node: UInt32, slots: [Range<Int>])], gap: Int?) {
        var stretches: [(node: UInt32, slots: [Range<Int>])] = []
        let width = Slot.count / question.arcs
        let own = replication.membership.node
        for arc in question.window.lowerBound / width...(question.window.upperBound - 1) / width {
            let slots = (arc * width..<(arc + 1) * width).clamped(to: question.window)
            guard arc * width * store.settings.partitions / Slot.count % store.settings.workers == store.worker else {
                continue
            }
            let owners = replication.liveOwners(ofSlot: UInt16(arc * width), keyspace: question.keyspace)
            let first = owners.first {
                !question.excluded.nodes.contains($0) && question.excluded.arcs[arc]?.contains($0) != true
            }
            if question.isOwnOnly, first != own { continue }
            guard let first else { return (stretches, slots.lowerBound) }
            if let known = stretches.firstIndex(where: { $0.node == first }) {
                let last = stretches[known].slots.count - 1
                if stretches[known].slots[last].upperBound == slots.lowerBound {
                    stretches[known].slots[last] = stretches[known].slots[last].lowerBound..<slots.upperBound
                } else {
                    stretches[known].slots.append(slots)
                }
            } else {
                stretches.append((first, [slots]))
            }
        }
        return (stretches, nil)
    }
}

extension Replication {
    /// The owners of a slot that can be reached and are caught up, in the order of its preference list.
    func liveOwners(ofSlot slot: UInt16, keyspace: Int) -> [UInt32] {
        let places = ReplicaPlaces(of: slot, in: membership.keyspaces[keyspace], node: membership.node)
        return fit(places, slot: slot, keyspace: keyspace).map { places.nodes[$0] }
    }
}
