@testable import MartletCore

/// What a record says, taken apart: what tests compare.
struct LogicalRecord: Equatable, CustomStringConvertible {
    struct Sibling: Equatable {
        var dot: Dot
        var stamp: UInt64
        var expiry: Int64 = .max
        var token: [UInt8]?
        var isTombstone = false
        var codec = RecordFormat.Codec.none
        var value: [UInt8]

        static func == (a: Self, b: Self) -> Bool {
            (a.dot, a.stamp, a.expiry, a.isTombstone) == (b.dot, b.stamp, b.expiry, b.isTombstone)
                && a.token == b.token && a.value == b.value
        }
    }

    var context = VersionVector()
    var siblings: [Sibling] = []
    var sections: [(tag: UInt64, bytes: [UInt8])] = []

    static func == (a: Self, b: Self) -> Bool {
        a.context == b.context && a.siblings == b.siblings && a.sections.elementsEqual(b.sections, by: ==)
    }

    var description: String {
        "\(context.entries.map { "\($0.actor.node).\($0.actor.birth):\($0.counter)" }) -> "
            + siblings.map { "\($0.dot.actor.node).\($0.dot.actor.birth):\($0.dot.counter)@\($0.stamp)" }.description
    }
}

extension LogicalRecord {
    /// Reads a record of ``storedKey`` by way of the product's own cursor.
    init(_ record: [UInt8]) throws {
        let view = try RecordView(of: record)
        try withBytes(of: record) { record in
            context = view.versionVector(of: record)
            var cursor = RecordSiblings(view)
            while let (dot, sibling) = try cursor.next(of: record) {
                var scratch = ByteBuffer()
                let stored = record.extracting(sibling.value)
                if sibling.codec == .none {
                    scratch.append(stored)
                } else if !toyUnpack(stored, sibling.codec, sibling.length, &scratch) {
                    throw RecordView.Damage.damaged
                }
                siblings.append(
                    Sibling(
                        dot: dot, stamp: sibling.stamp, expiry: sibling.expiry,
                        token: sibling.token.map { record.extracting($0).array }, isTombstone: sibling.isTombstone,
                        codec: sibling.codec, value: scratch.copy()))
            }
            var sections = ByteCursor(at: view.siblings.upperBound)
            while let section = try RecordParts.Section(decoding: record, at: &sections) {
                self.sections.append((section.tag, record.extracting(section.bytes).array))
            }
        }
    }

    /// Writes it in the order in which it stands here, canonical or not; an encoder apart from the product's.
    func encoded(key: [UInt8] = storedKey) -> [UInt8] {
        var buffer = ByteBuffer()
        let common = siblings.first?.codec ?? .none
        buffer.append(RecordFormat.version)
        buffer.append(siblings.allSatisfy(\.isTombstone) ? UInt8(2) : 1)
        buffer.append(UInt8(0))
        buffer.append(common.rawValue)
        buffer.append(littleEndian: UInt64(0))
        context.encode(into: &buffer)
        buffer.append(varint: UInt64(siblings.count))
        for sibling in siblings {
            let flags: UInt8 =
                (sibling.expiry == .max ? 0 : 1) | (sibling.token == nil ? 0 : 2) | (sibling.isTombstone ? 4 : 0)
                | (sibling.codec == common ? 0 : 8)
            buffer.append(flags)
            if sibling.codec != common { buffer.append(sibling.codec.rawValue) }
            buffer.append(varint: UInt64(context.entries.firstIndex { $0.actor == sibling.dot.actor } ?? 0))
            buffer.append(varint: sibling.dot.counter)
            buffer.append(littleEndian: sibling.stamp)
            if sibling.expiry != .max { buffer.append(littleEndian: sibling.expiry) }
            if let token = sibling.token { buffer.append(token) }
            var bytes = sibling.value
            if sibling.codec != .none {
                buffer.append(varint: UInt64(bytes.count))
                bytes = toyPack(bytes, sibling.codec)
            }
            buffer.append(varint: UInt64(bytes.count))
            buffer.append(bytes)
        }
        for section in sections {
            buffer.append(varint: section.tag)
            buffer.append(varint: UInt64(section.bytes.count))
            buffer.append(section.bytes)
        }
        return sealed(buffer.copy(), key: key)
    }
}

/// The key that the tests' records are stored under.
let storedKey: [UInt8] = StoredKey.lowerBound(keyspace: 0, generation: 1, slot: 5, hash: 9) + Array("key".utf8)

/// The record with the checksum that its bytes ask for.
func sealed(_ record: [UInt8], key: [UInt8] = storedKey) -> [UInt8] {
    guard record.count > RecordFormat.headerLength else { return record }
    var record = record
    let sum = withBytes(of: record) { bytes in
        withBytes(of: key) { RecordFormat.checksum(of: bytes, storedKey: $0) }
    }
    for index in 0..<8 { record[4 + index] = UInt8(truncatingIfNeeded: sum >> UInt64(8 * index)) }
    return record
}

/// A packing that is none of the real ones, but tells the codecs apart.
func toyPack(_ bytes: [UInt8], _ codec: RecordFormat.Codec) -> [UInt8] {
    [codec.rawValue] + bytes.reversed().map { $0 ^ (0x55 + codec.rawValue) }
}

func toyUnpack(_ packed: RawSpan, _ codec: RecordFormat.Codec, _ length: Int, _ buffer: inout ByteBuffer) -> Bool {
    guard packed.byteCount == length + 1, packed.byte(0) == codec.rawValue else { return false }
    buffer.append(packed.array.dropFirst().reversed().map { $0 ^ (0x55 + codec.rawValue) })
    return true
}

extension RecordView {
    init(of record: [UInt8]) throws(Damage) {
        self = try withBytes(of: record) { (record) throws(Damage) in
            try withBytes(of: storedKey) { (key) throws(Damage) in try RecordView(record, storedKey: key) }
        }
    }
}

/// The merge as a function of arrays, with what it said.
func merged(
    _ local: [UInt8], _ remote: [UInt8], _ policy: ConflictPolicy
) throws -> (record: [UInt8], outcome: RecordMerge.Outcome) {
    var buffer = ByteBuffer()
    let outcome = try withBytes(of: local) { local in
        try withBytes(of: remote) { remote in
            try withBytes(of: storedKey) { key in
                try RecordMerge.merge(local: local, remote: remote, storedKey: key, policy: policy, into: &buffer)
            }
        }
    }
    switch outcome {
    case .local: return (local, outcome)
    case .remote: return (remote, outcome)
    case .merged: return (buffer.copy(), outcome)
    }
}

func digest(_ record: [UInt8], seed: UInt64 = 0) throws -> UInt64 {
    var scratch = ByteBuffer()
    return try withBytes(of: record) { record in
        try withBytes(of: storedKey) { key in
            try RecordDigest.digest(of: record, storedKey: key, seed: seed, scratch: &scratch, unpack: toyUnpack)
        }
    }
}

func validate(_ record: [UInt8]) throws(RecordValidator.Refusal) {
    try withBytes(of: record) { (record) throws(RecordValidator.Refusal) in
        try withBytes(of: storedKey) { (key) throws(RecordValidator.Refusal) in
            _ = try RecordValidator.validate(record, storedKey: key)
        }
    }
}
