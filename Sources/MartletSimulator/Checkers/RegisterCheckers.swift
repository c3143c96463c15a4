internal import MartletRuntime

/// A read returns the last write that was acknowledged before it began, or one that was under way meanwhile.
public enum RegularReads: Checker {
    public static let name = "I4 regular reads"

    public static func violations(in evidence: Evidence) -> [String] {
        guard evidence.readsAreRegular else { return [] }
        return KeyTimeline.steady(evidence, [.plain, .expiring, .group]).flatMap { timeline in
            timeline.reads.compactMap { read in
                if case .foreign = read.content { return nil }
                return timeline.fault(reading: read.content, from: read.invoked, to: read.returned)
            }
        }
    }
}

/// What was acknowledged is there when all is well again, or something that was written over it.
public enum AcknowledgedWrites: Checker {
    public static let name = "I1 no acknowledged write lost"

    public static func violations(in evidence: Evidence) -> [String] {
        let timelines = KeyTimeline.all(evidence, [.plain, .expiring, .group])
        return timelines.compactMap { timeline in
            let end = MonotonicTime(nanoseconds: .max - 1)
            switch evidence.finals[timeline.key] {
            case .content(.foreign), nil: return nil
            case .content(let content): return timeline.fault(reading: content, from: end, to: end)
            case .number(let number): return "\(timeline.key) holds the number \(number)"
            case .unreadable(let text):
                if evidence.damagedKeys.contains(timeline.key) { return nil }
                return "\(timeline.key) cannot be read when all is well: \(text)"
            }
        }
    }
}

/// Of the writes whose stamps are known, the greatest is the one that is kept, in keyspaces of the policy `latest`.
public enum GreatestStamps: Checker {
    public static let name = "I1 the greatest stamp wins"

    public static func violations(in evidence: Evidence) -> [String] {
        KeyTimeline.all(evidence, [.plain]).compactMap { timeline in
            guard timeline.losses.isEmpty, case .content(let content) = evidence.finals[timeline.key],
                let kept = timeline.write(of: content)?.stamp
            else { return nil }
            let greatest = timeline.writes.filter(\.isAcknowledged).compactMap { write in
                write.stamp.map { (stamp: $0, content: write.content) }
            }.max { $0.stamp < $1.stamp }
            guard let greatest, greatest.stamp > kept else { return nil }
            return "\(timeline.key) kept \(content) of stamp \(kept), but \(greatest.content) of stamp "
                + "\(greatest.stamp) was acknowledged"
        }
    }
}

/// A connection sees what it wrote itself, or something later.
public enum OwnWrites: Checker {
    public static let name = "I4 read your writes"

    public static func violations(in evidence: Evidence) -> [String] {
        guard evidence.readsAreRegular else { return [] }
        // The same rule as for all reads, over each connection's own writes alone.
        var bySession: [[Int]: [History.Operation]] = [:]
        for operation in evidence.history.operations {
            bySession[[operation.client, operation.session], default: []].append(operation)
        }
        let timelines = KeyTimeline.steady(evidence, [.plain, .group])
        let writes = Dictionary(uniqueKeysWithValues: timelines.map { ($0.key, $0) })
        var found: [String] = []
        for session in bySession.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            var own: [History.Key: (invoked: MonotonicTime, returned: MonotonicTime)] = [:]
            for operation in (bySession[session] ?? []).sorted(by: { $0.invoked < $1.invoked }) {
                guard operation.isAcknowledged else { continue }
                for (place, key) in operation.keys.enumerated() {
                    guard case .ok(let contents) = operation.outcome, place < contents.count else {
                        own[key] = (operation.invoked, operation.returned)
                        continue
                    }
                    guard let last = own[key], let source = writes[key]?.write(of: contents[place]),
                        contents[place] != .absent, isOlder(source, last.invoked, session, evidence),
                        writes[key]?.losses.contains(where: { last.returned >= $0.from && $0.at <= operation.returned })
                            == false
                    else { continue }
                    found.append(
                        "\(key): client \(session[0]) read \(contents[place]) at \(operation.returned.shown), older "
                            + "than what it wrote itself at \(last.invoked.shown)")
                }
            }
        }
        return found
    }

    /// Whether a write was over before a connection's own began, and cannot outweigh it by its stamp.
    private static func isOlder(
        _ source: KeyTimeline.Write, _ begin: MonotonicTime, _ session: [Int], _ evidence: Evidence
    ) -> Bool {
        // What one connection writes goes through one node, whose stamps only grow.
        let isOwn = [source.client, source.session] == session
        return source.returned + (isOwn ? .zero : evidence.orderTolerance) < begin
    }
}

/// Once a read saw a newer value, no later read sees the older one: values are unique, so each is seen in one run.
public enum ForwardReads: Checker {
    public static let name = "I4 reads never go backwards"

    public static func violations(in evidence: Evidence) -> [String] {
        guard evidence.readsGoForward else { return [] }
        return KeyTimeline.steady(evidence, [.plain, .expiring, .group]).flatMap { timeline in
            Reappearance.all(of: timeline, evidence) { $0.content != .absent }.map { found in
                "\(timeline.key) was read as \(found.value), then as \(found.between.content) at "
                    + "\(found.between.returned.shown), then as \(found.value) again at \(found.again.shown)"
            }
        }
    }
}

/// What was deleted, or has expired, does not come back.
public enum NoResurrection: Checker {
    public static let name = "I6 no resurrection"

    public static func violations(in evidence: Evidence) -> [String] {
        guard evidence.readsGoForward else { return [] }
        return KeyTimeline.steady(evidence, [.plain, .expiring, .group]).flatMap { timeline in
            Reappearance.all(of: timeline, evidence) { $0.content == .absent }.map { found in
                "\(timeline.key) held \(found.value), was read as absent at \(found.between.returned.shown), and as "
                    + "\(found.value) again at \(found.again.shown)"
            }
        }
    }
}

/// A value that was there, was not, and was again.
struct Reappearance {
    var value: History.Content
    var between: KeyTimeline.Read
    var again: MonotonicTime

    /// O(reads log reads) for a key.
    static func all(
        of timeline: KeyTimeline, _ evidence: Evidence, between isBetween: (KeyTimeline.Read) -> Bool
    ) -> [Reappearance] {
        /// From when a value was surely there, and until when it was still read.
        struct Span {
            var content: History.Content
            var from: MonotonicTime
            var to: MonotonicTime
        }
        var seen: [History.Content: Span] = [:]
        for read in timeline.reads where read.content != .absent {
            var span =
                seen[read.content]
                ?? {
                    // It is there from when it was acknowledged, even if nobody looked.
                    let write = timeline.write(of: read.content)
                    let from = write?.isAcknowledged == true ? min(write!.returned, read.returned) : read.returned
                    return Span(content: read.content, from: from, to: read.invoked)
                }()
            span.from = min(span.from, read.returned)
            span.to = max(span.to, read.invoked)
            seen[read.content] = span
        }
        let spans = seen.values.filter { span in
            span.from < span.to && !timeline.losses.contains { $0.at >= span.from && $0.from <= span.to }
        }.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
        var found: [Reappearance] = []
        for read in timeline.reads where isBetween(read) {
            let count = spans.partitioningIndex { $0.from >= read.invoked }
            guard
                let span = spans[..<count].last(where: { $0.content != read.content && $0.to > read.returned }),
                !timeline.isExpired(span.content, by: read, evidence)
            else { continue }
            found.append(Reappearance(value: span.content, between: read, again: span.to))
        }
        return found
    }
}

extension KeyTimeline {
    /// Whether a read may have seen a value as expired that others, whose clocks are behind, see as live.
    fileprivate func isExpired(_ content: History.Content, by read: Read, _ evidence: Evidence) -> Bool {
        guard evidence.isReplicated, evidence.clockSpread > .zero, read.content == .absent,
            let write = write(of: content), let expiry = write.expiry
        else { return false }
        return read.returned >= write.invoked.advanced(by: max(.zero, expiry - evidence.clockSpread))
    }
}

/// A value with an expiry is not read any more once it must have expired by every node's calendar.
public enum NoLateValues: Checker {
    public static let name = "I6 no expired value"

    public static func violations(in evidence: Evidence) -> [String] {
        // Expiries are whole milliseconds.
        let tolerance = evidence.clockSpread + .milliseconds(2)
        return KeyTimeline.all(evidence, [.expiring]).flatMap { timeline in
            timeline.reads.compactMap { read in
                guard read.content != .absent, let write = timeline.write(of: read.content), let expiry = write.expiry,
                    write.returned != KeyTimeline.forever
                else { return nil }
                let last = write.returned.advanced(by: expiry + tolerance)
                guard read.invoked > last else { return nil }
                return "\(timeline.key) was read as \(read.content) at \(read.invoked.shown), which expired by "
                    + last.shown
            }
        }
    }
}
