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
        var memory = try RetryMemory(a, of: local)
        memory.formUnion(try RetryMemory(b, of: remote))
        var kept = all
        if policy == .siblings {
            kept = survivors(all, a, b).filter { !memory.isRepetition($0.dot) && !memory.isSuperseded($0.dot) }
        }
        if policy == .latest || kept.isEmpty {
            kept = all.max { ($0.place.stamp, $0.dot) < ($1.place.stamp, $1.dot) }.map { [$0] } ?? []
        }
        memory.trim()
        let remembered = memory.section(beside: kept.map(\.dot))
        let sections = united(a.sections, of: local, b.sections, of: remote, remembered)
        if kept.count == a.siblings.count, kept.allSatisfy(\.isLocal), context == a.context,
            sections.count == a.sections.count, sections.allSatisfy(\.isLocal)
        {
            return .local
        }
        if kept.count == b.siblings.count, kept.allSatisfy({ !$0.isLocal || $0.isSame }), context == b.context,
            sections.count == b.sections.count, sections.allSatisfy(\.isRemote)
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

    // MARK: Sections

    private struct KeptSection {
        var tag: UInt64
        var bytes: [UInt8]
        /// Whether the side has it with these bytes.
        var isLocal = false
        var isRemote = false
    }

    /// Each tag once; where both sides have it, the greater bytes. What is remembered of retries has its own rule.
    private static func united(
        _ a: [RecordParts.Section], of local: RawSpan, _ b: [RecordParts.Section], of remote: RawSpan,
        _ remembered: [UInt8]?
    ) -> [KeptSection] {
        var all: [KeptSection] = []
        if let remembered { all.append(KeptSection(tag: RetryMemory.tag, bytes: remembered)) }
        func add(_ tag: UInt64, _ bytes: RawSpan, _ side: WritableKeyPath<KeptSection, Bool>) {
            let known = all.firstIndex { $0.tag == tag }
            guard let index = known else {
                // None of the tokens is to be remembered any more: the side's section is dropped.
                if tag == RetryMemory.tag { return }
                all.append(KeptSection(tag: tag, bytes: bytes.array))
                all[all.count - 1][keyPath: side] = true
                return
            }
            let order = withBytes(of: all[index].bytes) { $0.compare(bytes) }
            if order < 0, tag != RetryMemory.tag { all[index] = KeptSection(tag: tag, bytes: bytes.array) }
            if order == 0 || order < 0 && tag != RetryMemory.tag { all[index][keyPath: side] = true }
        }
        for section in a { add(section.tag, local.extracting(section.bytes), \.isLocal) }
        for section in b { add(section.tag, remote.extracting(section.bytes), \.isRemote) }
        return all.sorted { $0.tag < $1.tag }
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
            withBytes(of: section.bytes) { RecordParts.Section.append(section.tag, $0, to: &buffer) }
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
