/// A stretch of one unit's records that two owners hold differently: what a page of catch-up exchanges.
public struct MerkleRange: Hashable, Sendable {
    public var unit: Int
    /// Of slot and hash, as ``StoredKey/place(of:)`` makes them.
    public var places: Range<UInt64>

    public init(unit: Int, places: Range<UInt64>) {
        self.unit = unit
        self.places = places
    }

    /// The slots that it touches.
    public var slots: Range<Int> { Int(places.lowerBound >> 40)..<Int((places.upperBound - 1) >> 40) + 1 }

    /// Where it begins, as ``CatchUpPage/from`` has it: empty for the start of ``slots``.
    public func from(keyspace: UInt32, generation: UInt32) -> [UInt8] {
        Self.key(places.lowerBound, except: UInt64(slots.lowerBound) << 40, keyspace, generation)
    }

    /// Where it ends, as ``CatchUpPage/upTo`` has it: empty for the end of ``slots``.
    public func upTo(keyspace: UInt32, generation: UInt32) -> [UInt8] {
        Self.key(places.upperBound, except: UInt64(slots.upperBound) << 40, keyspace, generation)
    }

    private static func key(_ place: UInt64, except edge: UInt64, _ keyspace: UInt32, _ generation: UInt32) -> [UInt8] {
        guard place != edge else { return [] }
        return StoredKey.lowerBound(
            keyspace: keyspace, generation: generation, slot: UInt16(place >> 40), hash: place & 0xff_ffff_ffff)
    }
}
