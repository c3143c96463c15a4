/// Checks what a peer sent before anything is merged with it: a checksum tells that bytes arrived as they were sent,
/// not that they make sense, and one bad record merged once would be handed on to every replica.
public enum RecordValidator {
    /// Why a record is not merged. Each is counted, and the link that it came by is closed.
    public enum Refusal: Error, Sendable, Equatable {
        /// Not a record of that key.
        case damaged
        /// Written by a later version.
        case unknownVersion
        /// A context or siblings that are not in strictly ascending order: an actor or a dot may stand twice.
        case disorder
        case tooManyEntries
        case tooManySiblings
        /// A counter, stamp or expiry that no replica mints; among them a counter that jumps by more than 2^32.
        case implausible
        /// A sibling whose dot the context does not cover.
        case unknownDot
    }

    /// Siblings that a record from a peer may have. Above ``RecordUpdate/siblingLimit``, since merges add up.
    public static let maximumSiblings = 1024

    /// Reads a record that a peer sent for `storedKey`. Allocates nothing. O(context entries + siblings).
    public static func validate(_ record: RawSpan, storedKey: RawSpan) throws(Refusal) -> RecordView {
        let view: RecordView
        do throws(RecordView.Damage) {
            view = try RecordView(record, storedKey: storedKey)
        } catch {
            throw error == .unknownVersion ? .unknownVersion : .damaged
        }
        guard view.contextCount <= VersionVector.maximumEntries else { throw .tooManyEntries }
        guard view.siblingCount <= maximumSiblings else { throw .tooManySiblings }
        try checkContext(view, record)
        try checkSiblings(view, record)
        if view.siblings.upperBound < record.byteCount { try checkSections(view, record) }
        return view
    }

    private static func checkContext(_ view: RecordView, _ record: RawSpan) throws(Refusal) {
        var cursor = ByteCursor(at: view.firstEntry)
        var former: ReplicaActor?
        for _ in 0..<view.contextCount {
            guard let entry = try? VersionVector.Entry(decoding: record, at: &cursor) else { throw .implausible }
            if let former, !(former < entry.actor) { throw .disorder }
            guard entry.counter <= Dot.maximumCounter else { throw .implausible }
            former = entry.actor
        }
    }

    private static func checkSiblings(_ view: RecordView, _ record: RawSpan) throws(Refusal) {
        var siblings = RecordSiblings(view)
        var former: Dot?
        var isTombstone = true
        for _ in 0..<view.siblingCount {
            guard let (dot, sibling) = (try? siblings.next(of: record)) ?? nil else { throw .unknownDot }
            if let former, !(former < dot) { throw .disorder }
            guard sibling.stamp <= HybridLogicalClock.maximum, sibling.expiry >= 0,
                sibling.flags.contains(.expiry) == (sibling.expiry != .max)
            else { throw .implausible }
            if sibling.flags.contains(.replaced), sibling.token == nil { throw .implausible }
            if sibling.isTombstone, sibling.value.count != (sibling.isDropped ? 8 : 0) { throw .implausible }
            if !sibling.isTombstone { isTombstone = false }
            former = dot
        }
        let kind: RecordFormat.Kind = isTombstone ? .tombstone : .string
        guard record.byte(1) == kind.rawValue else { throw .implausible }
    }

    private static func checkSections(_ view: RecordView, _ record: RawSpan) throws(Refusal) {
        var cursor = ByteCursor(at: view.siblings.upperBound)
        var former: UInt64?
        do throws(ByteCursor.Malformed) {
            while let section = try RecordParts.Section(decoding: record, at: &cursor) {
                if let former, former >= section.tag { throw ByteCursor.Malformed() }
                former = section.tag
                guard section.tag == RetryMemory.tag else { continue }
                var writes = RetryMemory.Reader(record.extracting(section.bytes))
                while try writes.next(of: record.extracting(section.bytes)) != nil {}
            }
        } catch {
            throw .damaged
        }
    }
}
