/// The canonical bytes: what the digest is taken of, and what a hello shows to a node with another digest.
///
///     version u8 = 1 | cluster | Q
///     | members: count, then of each: id, name, weight, rack, data center
///     | keyspaces: count, then of each: id, name, placement, mode u8, conflicts u8, reads u8, writes u8, sloppy u8
///     placement: 0 u8, N | 1 u8, count, then of each: data center, N
///
/// Numbers are varints, texts a length and UTF-8. There is one encoding of each description.
extension FoundingDescription {
    private static let version: UInt8 = 1

    /// The canonical bytes. O(members + keyspaces).
    public func encoded() -> [UInt8] {
        var buffer = ByteBuffer(capacity: 64 + members.count * 48)
        func text(_ text: String, _ buffer: inout ByteBuffer) {
            buffer.append(varint: UInt64(text.utf8.count))
            buffer.append(text)
        }
        func number(_ number: Int, _ buffer: inout ByteBuffer) { buffer.append(varint: UInt64(number)) }
        buffer.append(Self.version)
        text(cluster, &buffer)
        number(partitions, &buffer)
        number(members.count, &buffer)
        for member in members {
            number(Int(member.id), &buffer)
            text(member.name, &buffer)
            number(member.weight, &buffer)
            text(member.rack, &buffer)
            text(member.dataCenter, &buffer)
        }
        number(keyspaces.count, &buffer)
        for keyspace in keyspaces {
            number(Int(keyspace.id), &buffer)
            text(keyspace.name, &buffer)
            switch keyspace.placement {
            case .count(let count):
                buffer.append(0)
                number(count, &buffer)
            case .perDataCenter(let centers):
                buffer.append(1)
                number(centers.count, &buffer)
                for center in centers {
                    text(center.dataCenter, &buffer)
                    number(center.count, &buffer)
                }
            }
            buffer.append(keyspace.mode.rawValue)
            buffer.append(keyspace.conflicts.rawValue)
            buffer.append(keyspace.reads.code)
            buffer.append(keyspace.writes.code)
            buffer.append(keyspace.isSloppy ? 1 : 0)
        }
        return buffer.copy()
    }

    /// Reads what ``encoded()`` gave. O(bytes).
    ///
    /// - Throws: `malformed` for bytes that are no canonical description, and all that the values themselves may be
    ///   refused for.
    public init(decoding bytes: RawSpan) throws(PlacementError) {
        var reader = FoundingReader()
        let description: FoundingDescription
        do {
            guard try reader.cursor.byte(of: bytes) == Self.version else { throw ByteCursor.Malformed() }
            description = try reader.description(of: bytes)
        } catch let error as PlacementError {
            throw error
        } catch {
            throw PlacementError(.malformed, "no founding description: damaged at byte \(reader.cursor.offset)")
        }
        let isCanonical = withBytes(of: description.encoded()) { $0.equals(bytes) }
        guard isCanonical else { throw PlacementError(.malformed, "no founding description: not in canonical form") }
        self = description
    }
}

/// Reads the parts of a founding description after its version.
private struct FoundingReader {
    var cursor = ByteCursor()

    mutating func description(of bytes: RawSpan) throws -> FoundingDescription {
        let cluster = try text(of: bytes)
        let partitions = try number(of: bytes)
        // Counts are not trusted: nothing is reserved, and every element takes bytes.
        var members: [Member] = []
        for _ in 0..<(try number(of: bytes)) {
            members.append(
                Member(
                    id: try id(of: bytes), name: try text(of: bytes), weight: try number(of: bytes),
                    rack: try text(of: bytes), dataCenter: try text(of: bytes)))
        }
        var keyspaces: [KeyspaceDefinition] = []
        for _ in 0..<(try number(of: bytes)) { keyspaces.append(try keyspace(of: bytes)) }
        guard cursor.offset == bytes.byteCount else { throw ByteCursor.Malformed() }
        return try FoundingDescription(
            cluster: cluster, partitions: partitions, members: members, keyspaces: keyspaces)
    }

    private mutating func keyspace(of bytes: RawSpan) throws(ByteCursor.Malformed) -> KeyspaceDefinition {
        let id = try id(of: bytes)
        let name = try text(of: bytes)
        let placement = try placement(of: bytes)
        guard let mode = KeyspaceDefinition.Mode(rawValue: try cursor.byte(of: bytes)),
            let conflicts = ConflictPolicy(rawValue: try cursor.byte(of: bytes)),
            let reads = ConsistencyLevel(code: try cursor.byte(of: bytes)),
            let writes = ConsistencyLevel(code: try cursor.byte(of: bytes))
        else { throw ByteCursor.Malformed() }
        return KeyspaceDefinition(
            id: id, name: name, placement: placement, mode: mode, conflicts: conflicts, reads: reads, writes: writes,
            isSloppy: try cursor.byte(of: bytes) != 0)
    }

    private mutating func placement(of bytes: RawSpan) throws(ByteCursor.Malformed) -> Placement {
        switch try cursor.byte(of: bytes) {
        case 0: return .count(try number(of: bytes))
        case 1:
            var centers: [Placement.CenterReplicas] = []
            for _ in 0..<(try number(of: bytes)) {
                centers.append(Placement.CenterReplicas(try text(of: bytes), try number(of: bytes)))
            }
            return .perDataCenter(centers)
        default: throw ByteCursor.Malformed()
        }
    }

    private mutating func number(of bytes: RawSpan) throws(ByteCursor.Malformed) -> Int {
        let value = try cursor.varint(of: bytes)
        guard value <= UInt64(UInt32.max) else { throw ByteCursor.Malformed() }
        return Int(value)
    }

    private mutating func id(of bytes: RawSpan) throws(ByteCursor.Malformed) -> UInt32 {
        UInt32(try number(of: bytes))
    }

    private mutating func text(of bytes: RawSpan) throws(ByteCursor.Malformed) -> String {
        let place = try cursor.take(try number(of: bytes), of: bytes)
        guard let text = String(validating: bytes.slice(place.lowerBound, place.upperBound), as: UTF8.self) else {
            throw ByteCursor.Malformed()
        }
        return text
    }
}
