internal import MartletRuntime

/// A write that was refused as not applied is never seen.
public enum RefusedWrites: Checker {
    public static let name = "I7 not applied is never applied"

    public static func violations(in evidence: Evidence) -> [String] {
        var refused: [UInt64: History.Operation] = [:]
        for operation in evidence.history.operations {
            guard case .notApplied = operation.outcome else { continue }
            switch operation.action {
            case .set(let value, _), .setTogether(let value), .putSibling(let value, _, _), .put(let value):
                refused[value] = operation
            case .get, .delete, .increment, .getTogether, .getSiblings: continue
            }
        }
        return evidence.history.operations.compactMap { operation in
            guard case .ok(let contents) = operation.outcome else { return nil }
            for content in contents {
                guard case .value(let value) = content, let write = refused[value] else { continue }
                return "value \(value) was refused (\(write)), and was read at \(operation.returned.shown)"
            }
            return nil
        }
    }
}

/// A write that is sent again with its token is done once: no later outcome is told than the one that was acknowledged,
/// and no value is a sibling of itself. An earlier one may be told, of a try that nothing had been heard of.
public enum DoneOnce: Checker {
    public static let name = "I7 sent again, done once"

    public static func violations(in evidence: Evidence) -> [String] {
        evidence.history.operations.compactMap { operation in
            if operation.action == .getSiblings, case .ok(let contents) = operation.outcome,
                Set(contents).count < contents.count, !evidence.phantomKeys.contains(operation.keys[0])
            {
                return "a value is there twice: \(operation)"
            }
            guard let stamp = operation.stamp, let other = operation.repeated.first(where: { $0 > stamp }) else {
                return nil
            }
            return "done at \(stamp), and again at \(other): \(operation)"
        }
    }
}

/// With a minority of every key's owners gone, what is asked of the other nodes two seconds after all of them know, or
/// later, succeeds. Where one acknowledgement is enough, and be it a hint, so do plain writes with any one node left.
public enum MinorityGone: Checker {
    public static let name = "I11 a minority is not missed"

    /// From when all know until all must go well.
    public static let grace = Duration.seconds(2)

    public static func violations(in evidence: Evidence) -> [String] {
        evidence.absences.flatMap { absence -> [String] in
            guard let known = absence.known else { return [] }
            let begin = known.advanced(by: grace)
            return evidence.history.operations.compactMap { operation in
                guard !operation.isAcknowledged, operation.invoked >= begin, operation.returned <= absence.to,
                    let node = operation.node, !absence.nodes.contains(node)
                else { return nil }
                if absence.takesWritesOnly {
                    guard case .set = operation.action else { return nil }
                }
                return "nodes \(absence.nodes.map { $0 + 1 }.sorted()) were gone, as all knew at \(known.shown), and "
                    + "node \(node + 1) failed: \(operation)"
            }
        }
    }
}

/// No bytes are served that no client wrote to that key.
public enum NoForeignBytes: Checker {
    public static let name = "I9 no corrupt byte served"

    public static func violations(in evidence: Evidence) -> [String] {
        evidence.history.operations.compactMap { operation in
            guard case .ok(let contents) = operation.outcome else { return nil }
            let isForeign = contents.contains { if case .foreign = $0 { true } else { false } }
            return isForeign ? operation.description : nil
        }
    }
}

/// Servers answer what was asked, in RESP, with errors that are known.
public enum NoComplaints: Checker {
    public static let name = "I12 answers in order"

    public static func violations(in evidence: Evidence) -> [String] { evidence.complaints }
}

/// Every increment that was acknowledged counts once, one that was refused never, one of unknown outcome at most once;
/// so in a run without faults counters are exact. With replicas they may fall behind under faults, never run ahead.
public enum CountedOnce: Checker {
    public static let name = "counters exact"

    public static func violations(in evidence: Evidence) -> [String] {
        var known: [History.Key: [(operation: History.Operation, number: Int64)]] = [:]
        var unknown: [History.Key: Int] = [:]
        for operation in evidence.history.operations where operation.action == .increment {
            switch operation.outcome {
            case .number(let number): known[operation.keys[0], default: []].append((operation, number))
            case .unknown: unknown[operation.keys[0], default: 0] += 1
            case .ok, .notApplied: continue
            }
        }
        var found: [String] = []
        let isExact = !evidence.isReplicated || (evidence.isFaultFree && evidence.readsAreRegular)
        for key in Set(known.keys).union(unknown.keys).sorted()
        where evidence.losses(of: key).isEmpty && !evidence.phantomKeys.contains(key) {
            let increments = (known[key] ?? []).sorted {
                ($0.number, $0.operation.invoked) < ($1.number, $1.operation.invoked)
            }
            for (first, second) in zip(increments, increments.dropFirst()) where isExact {
                if first.number == second.number {
                    found.append(
                        "\(key): two increments were answered \(first.number): \(first.operation); \(second.operation)")
                } else if second.operation.returned < first.operation.invoked {
                    found.append("\(key) went from \(second.number) back to \(first.number) at \(first.operation)")
                }
            }
            let made = Int64(increments.count)
            let most = made + Int64(unknown[key] ?? 0)
            // Two coordinators may count from the same number, never from one that was not counted.
            if case .number(let number) = evidence.finals[key], number > most || (isExact && number < made) {
                found.append("\(key) is \(number), after \(made) increments acknowledged and \(most - made) unknown")
            }
            if case .unreadable(let text) = evidence.finals[key], !evidence.damagedKeys.contains(key) {
                found.append("\(key) cannot be read when all is well: \(text)")
            }
        }
        return found
    }
}

/// Keys that are always set together are never read half set, where one node holds them all.
public enum SetTogether: Checker {
    public static let name = "MSET is atomic on one node"

    public static func violations(in evidence: Evidence) -> [String] {
        guard evidence.setsAreAtomic else { return [] }
        return evidence.history.operations.compactMap { operation in
            guard operation.action == .getTogether, case .ok(let contents) = operation.outcome,
                Set(contents).count > 1
            else { return nil }
            return "half set: \(operation)"
        }
    }
}

/// When all is well again, the siblings of a key are the writes that no other write replaced.
public enum MaximalSiblings: Checker {
    public static let name = "I3 siblings are the maximal writes"

    public static func violations(in evidence: Evidence) -> [String] {
        var found: [String] = []
        let keys = Set(evidence.siblings.map(\.key)).union(evidence.finalSiblings.keys)
        for key in keys.sorted() {
            let losses = evidence.losses(of: key)
            // What a loss took replaces nothing any more, and need not be there.
            let writes = evidence.siblings.filter { $0.key == key }.map { write in
                var write = write
                write.isAcknowledged = write.isAcknowledged && !losses.contains { write.invoked <= $0.at }
                return write
            }
            if evidence.damagedKeys.contains(key), evidence.finalSiblings[key] == nil { continue }
            guard let final = evidence.finalSiblings[key] else {
                if writes.contains(where: \.isAcknowledged) { found.append("\(key): no final siblings are known") }
                continue
            }
            // A write of unknown outcome replaces what it names only if it was applied: if it, or a write that saw it,
            // is there.
            let applied = writes.filter { write in
                write.isAcknowledged || final.contains(write.value)
                    || writes.contains { $0.isAcknowledged && $0.replaces.contains(write.value) }
            }
            let replaced = applied.reduce(into: Set<UInt64>()) { $0.formUnion($1.replaces) }
            let maybeReplaced = writes.reduce(into: Set<UInt64>()) { $0.formUnion($1.replaces) }
            for write in applied where write.isAcknowledged {
                if !final.contains(write.value), !maybeReplaced.contains(write.value) {
                    found.append("\(key): value \(write.value) was acknowledged, replaced by none, and is gone")
                }
            }
            for value in final.sorted() {
                if !writes.contains(where: { $0.value == value }) {
                    found.append("\(key): value \(value) is there and was never written")
                } else if replaced.contains(value) {
                    found.append("\(key): value \(value) is there, although it was replaced")
                }
            }
        }
        return found
    }
}

/// When all is well again, all owners of a partition hold the same.
public enum EqualDigests: Checker {
    public static let name = "I5 convergence"

    public static func violations(in evidence: Evidence) -> [String] {
        let byPartition = Dictionary(grouping: evidence.digests, by: \.partition)
        return byPartition.keys.sorted().compactMap { partition in
            let digests = byPartition[partition] ?? []
            guard Set(digests.map(\.digest)).count > 1 else { return nil }
            let shown = digests.map { "node \($0.node): \(String($0.digest, radix: 16))" }.joined(separator: ", ")
            return "the owners of partition \(partition) differ: \(shown)"
        }
    }
}

/// Nothing grows beyond its bound.
public enum Bounds: Checker {
    public static let name = "I8 bounds"

    public static func violations(in evidence: Evidence) -> [String] {
        evidence.sizes.compactMap { sample in
            sample.size > sample.limit ? "\(sample.name) is \(sample.size), above \(sample.limit)" : nil
        }
    }
}
