/// Records of several siblings, with sections, or not in canonical order.
extension RecordMerge {
    private struct Kept {
        var dot: Dot
        var place: RecordSibling
        var isLocal: Bool
        /// Whether the remote's copy says the same.
        var isSame = false
    }

    static func mergeParts(
        _ mine: RecordView, of local: RawSpan, _ theirs: RecordView, of remote: RawSpan, _ keyHash: UInt64,
        _ policy: ConflictPolicy, into buffer: inout ByteBuffer
    ) throws(RecordView.Damage) -> Outcome {
        let a = try RecordParts(mine, of: local)
        let b = try RecordParts(theirs, of: remote)
        var context = a.context
        context.merge(b.context)
        let all = united(a, of: local, b, of: remote)
        var kept = all
        if policy == .siblings {
            kept = survivors(all, a, b)
            collapseRetries(&kept, local, remote)
        }
        if policy == .latest || kept.isEmpty {
            kept = all.max { ($0.place.stamp, $0.dot) < ($1.place.stamp, $1.dot) }.map { [$0] } ?? []
        }
        let sections = united(a.sections, of: local, b.sections, of: remote)
        if kept.count == a.siblings.count, kept.allSatisfy(\.isLocal), context == a.context,
            sections.count == a.sections.count, sections.allSatisfy(\.isLocal)
        {
            return .local
        }
        if kept.count == b.siblings.count, kept.allSatisfy({ !$0.isLocal || $0.isSame }), context == b.context,
            sections.count == b.sections.count,
            sections.allSatisfy({ !$0.isLocal || $0.isSame })
        {
            return .remote
        }
        encode(kept, context, sections, local, remote, keyHash, to: &buffer)
        return .merged
    }

    /// All siblings of both sides by dot, each dot once.
    private static func united(
        _ a: RecordParts, of local: RawSpan, _ b: RecordParts, of remote: RawSpan
    ) -> [Kept] {
        var all: [Kept] = []
        all.reserveCapacity(a.siblings.count + b.siblings.count)
        var (i, j) = (0, 0)
        while i < a.siblings.count || j < b.siblings.count {
            let mine = i < a.siblings.count ? a.siblings[i] : nil
            let theirs = j < b.siblings.count ? b.siblings[j] : nil
            if let mine, let theirs, mine.dot == theirs.dot {
                let (x, y) = (Content(mine.place), Content(theirs.place))
                let isLocal = x.isKept(over: y, of: local, remote)
                let isSame = isLocal && y.isKept(over: x, of: remote, local)
                let place = isLocal ? mine.place : theirs.place
                all.append(Kept(dot: mine.dot, place: place, isLocal: isLocal, isSame: isSame))
                i += 1
                j += 1
            } else if let mine, theirs.map({ mine.dot < $0.dot }) ?? true {
                all.append(Kept(dot: mine.dot, place: mine.place, isLocal: true))
                i += 1
            } else if let theirs {
                all.append(Kept(dot: theirs.dot, place: theirs.place, isLocal: false))
                j += 1
            }
        }
        return all
    }

    /// Those that both sides keep or that one side has not seen.
    private static func survivors(_ all: [Kept], _ a: RecordParts, _ b: RecordParts) -> [Kept] {
        all.filter { sibling in
            let isInLocal = a.holds(sibling.dot)
            let isInRemote = b.holds(sibling.dot)
            if isInLocal, isInRemote { return true }
            return !(isInLocal ? b.context : a.context).contains(sibling.dot)
        }
    }

    /// Of siblings with one retry token, keeps the one of the smallest dot.
    private static func collapseRetries(_ kept: inout [Kept], _ local: RawSpan, _ remote: RawSpan) {
        var first: Set<[UInt8]> = []
        kept.removeAll { sibling in
            guard let token = sibling.place.token else { return false }
            let bytes = sibling.isLocal ? local.extracting(token).array : remote.extracting(token).array
            return !first.insert(bytes).inserted
        }
    }

    // MARK: Sections

    private struct KeptSection {
        var section: RecordParts.Section
        var isLocal: Bool
        /// Whether the other side has the same bytes.
        var isSame = false
    }

    /// Each tag once; where both sides have it, the greater bytes.
    private static func united(
        _ a: [RecordParts.Section], of local: RawSpan, _ b: [RecordParts.Section], of remote: RawSpan
    ) -> [KeptSection] {
        var all = a.map { KeptSection(section: $0, isLocal: true) }
        for section in b {
            guard let index = all.firstIndex(where: { $0.section.tag == section.tag }) else {
                all.append(KeptSection(section: section, isLocal: false))
                continue
            }
            let order = local.extracting(all[index].section.bytes).compare(remote.extracting(section.bytes))
            if order < 0 { all[index] = KeptSection(section: section, isLocal: false) }
            all[index].isSame = order == 0
        }
        return all.sorted { $0.section.tag < $1.section.tag }
    }

    private static func encode(
        _ kept: [Kept], _ context: VersionVector, _ sections: [KeptSection], _ local: RawSpan, _ remote: RawSpan,
        _ keyHash: UInt64, to buffer: inout ByteBuffer
    ) {
        let isTombstone = kept.allSatisfy(\.place.isTombstone)
        let common = kept.first?.place.codec ?? .none
        buffer.reserve(local.byteCount + remote.byteCount + 16)
        let start = RecordEncoder.begin(&buffer, kind: isTombstone ? .tombstone : .string, codec: common)
        context.encode(into: &buffer)
        buffer.append(varint: UInt64(kept.count))
        for sibling in kept {
            let index = UInt64(context.position(of: sibling.dot.actor))
            if sibling.isLocal {
                RecordEncoder.copy(&buffer, common: common, index: index, sibling: sibling.place, of: local)
            } else {
                RecordEncoder.copy(&buffer, common: common, index: index, sibling: sibling.place, of: remote)
            }
        }
        for section in sections {
            if section.isLocal {
                section.section.append(to: &buffer, of: local)
            } else {
                section.section.append(to: &buffer, of: remote)
            }
        }
        RecordEncoder.finish(&buffer, from: start, keyHash: keyHash)
    }
}

extension RecordParts {
    /// Whether the dot is one of the siblings'. O(log siblings).
    func holds(_ dot: Dot) -> Bool {
        var (low, high) = (0, siblings.count)
        while low < high {
            let middle = (low + high) / 2
            if siblings[middle].dot < dot { low = middle + 1 } else { high = middle }
        }
        return low < siblings.count && siblings[low].dot == dot
    }
}
