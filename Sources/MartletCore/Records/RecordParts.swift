/// A record taken apart into arrays, in canonical order whatever the order it was stored in: what the uncommon cases
/// (several siblings, sections) are worked out on. Allocates.
struct RecordParts {
    struct Sibling: Sendable {
        var dot: Dot
        var place: RecordSibling
    }

    /// A tagged run of bytes after the siblings; kept untouched.
    struct Section: Sendable {
        var tag: UInt64
        var bytes: Range<Int>
    }

    var context: VersionVector
    var siblings: [Sibling] = []
    var sections: [Section] = []

    /// O(n log n); throws where an actor, dot or tag stands twice or anything is out of bounds.
    init(_ view: RecordView, of record: RawSpan) throws(RecordView.Damage) {
        do throws(ByteCursor.Malformed) {
            context = try Self.context(view, of: record)
            sections = try Self.sections(view, of: record)
        } catch {
            throw .damaged
        }
        var cursor = RecordSiblings(view)
        while let (dot, place) = try cursor.next(of: record) { siblings.append(Sibling(dot: dot, place: place)) }
        siblings.sort { $0.dot < $1.dot }
        for index in siblings.indices.dropFirst() where siblings[index].dot == siblings[index - 1].dot {
            throw .damaged
        }
    }

    private static func context(
        _ view: RecordView, of record: RawSpan
    ) throws(ByteCursor.Malformed) -> VersionVector {
        var cursor = ByteCursor(at: view.firstEntry)
        var entries: [VersionVector.Entry] = []
        for _ in 0..<view.contextCount { entries.append(try VersionVector.Entry(decoding: record, at: &cursor)) }
        guard let context = VersionVector(unordered: entries) else { throw ByteCursor.Malformed() }
        return context
    }

    private static func sections(
        _ view: RecordView, of record: RawSpan
    ) throws(ByteCursor.Malformed) -> [Section] {
        var cursor = ByteCursor(at: view.siblings.upperBound)
        var sections: [Section] = []
        while let section = try Section(decoding: record, at: &cursor) { sections.append(section) }
        sections.sort { $0.tag < $1.tag }
        for index in sections.indices.dropFirst() where sections[index].tag == sections[index - 1].tag {
            throw ByteCursor.Malformed()
        }
        return sections
    }
}

extension RecordParts.Section {
    /// Reads the next section; nil at the record's end.
    init?(decoding record: RawSpan, at cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        guard cursor.offset < record.byteCount else { return nil }
        tag = try cursor.varint(of: record)
        let length = try cursor.varint(of: record)
        guard length <= UInt64(record.byteCount) else { throw ByteCursor.Malformed() }
        bytes = try cursor.take(Int(length), of: record)
    }

    func append(to buffer: inout ByteBuffer, of record: RawSpan) {
        Self.append(tag, record.extracting(bytes), to: &buffer)
    }

    static func append(_ tag: UInt64, _ bytes: RawSpan, to buffer: inout ByteBuffer) {
        buffer.append(varint: tag)
        buffer.append(varint: UInt64(bytes.byteCount))
        buffer.append(bytes)
    }
}
