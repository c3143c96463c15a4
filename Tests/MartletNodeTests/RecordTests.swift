import MartletCore
import Testing

@Suite struct RecordTests {
    private let storedKey: [UInt8] =
        StoredKey.lowerBound(keyspace: 0, generation: 1, slot: 5, hash: 9) + Array("key".utf8)

    private func record(expiry: Int64 = .max, token: (UInt64, UInt64)? = nil, value: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        let dot = Dot(actor: ReplicaActor(node: 7, incarnation: 1 << 60, birth: 300), counter: 12)
        let new = NewValue(stamp: 99, expiry: expiry, token: token, length: value.count)
        withBytes(of: storedKey) { key in
            withBytes(of: value) { RecordEncoder.append(to: &buffer, storedKey: key, dot: dot, value: new, bytes: $0) }
        }
        return buffer.copy()
    }

    private func view(_ record: [UInt8], key: [UInt8]? = nil) throws -> RecordView {
        try withBytes(of: record) { record in
            try withBytes(of: key ?? storedKey) { try RecordView(record, storedKey: $0) }
        }
    }

    @Test(arguments: [0, 1, 100, 70_000]) func whatIsWrittenIsRead(length: Int) throws {
        let value = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for expiry in [Int64.max, 1_700_000_000_000] {
            let bytes = record(expiry: expiry, token: (1, 2), value: value)
            let view = try view(bytes)
            #expect(Array(bytes[view.value]) == value)
            #expect(view.expiry == expiry)
            #expect(view.stamp == 99)
            #expect(view.counter == 12)
            #expect(!view.isTombstone)
            #expect(view.token != nil)
        }
    }

    @Test func everyFlippedBitIsFound() {
        let bytes = record(expiry: 5, value: Array("value".utf8))
        // The codec, kind and flags bytes stand before the checksum: a wrong codec is found by what it does to the
        // rest.
        for index in bytes.indices where index != 1 && index != 2 && index != 3 {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8(bit)
                #expect(throws: RecordView.Damage.self) { try view(damaged) }
            }
        }
    }

    @Test func everyShorterRecordIsRefused() {
        let bytes = record(value: Array("value".utf8))
        for length in 0..<bytes.count {
            #expect(throws: RecordView.Damage.self) { try view(Array(bytes[..<length])) }
        }
    }

    @Test func aRecordUnderAnotherKeyIsDamaged() {
        let bytes = record(value: [1, 2, 3])
        #expect(throws: RecordView.Damage.self) { try view(bytes, key: storedKey + [0]) }
    }

    @Test func contextsOfSeveralActorsKeepTheirOrder() throws {
        var context = VersionVector()
        for node in [5, 2, 9] as [UInt32] {
            context.insert(Dot(actor: ReplicaActor(node: node, incarnation: 1, birth: 1), counter: UInt64(node)))
        }
        let dot = Dot(actor: ReplicaActor(node: 2, incarnation: 1, birth: 1), counter: 3)
        var buffer = ByteBuffer()
        withBytes(of: storedKey) { key in
            withBytes(of: [1] as [UInt8]) {
                RecordEncoder.append(
                    to: &buffer, storedKey: key, context: context, dot: dot, value: NewValue(stamp: 1, length: 1),
                    bytes: $0)
            }
        }
        let bytes = buffer.copy()
        let view = try view(bytes)
        let read = withBytes(of: bytes) { view.versionVector(of: $0) }
        context.insert(dot)
        #expect(read == context)
        #expect(view.actorIndex == 0)
        #expect(read.contains(dot))
    }
}

@Suite struct SlotTests {
    private func slot(_ key: String) -> UInt16 { withBytes(of: key) { Slot.of($0) } }

    /// The figures of Redis Cluster's specification.
    @Test func slotsAreThoseOfRedisCluster() {
        #expect(slot("123456789") == 0x31c3)
        #expect(slot("foo") == 12182)
        #expect(slot("") == 0)
    }

    /// Keys of all lengths, taken four bytes a step, against the definition, bit by bit.
    @Test func slotsOfAllLengthsFollowTheDefinition() {
        for length in 0..<70 {
            let key = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ length &* 37) | 0x80 }
            var crc: UInt16 = 0
            for byte in key {
                crc ^= UInt16(byte) << 8
                for _ in 0..<8 { crc = crc & 0x8000 != 0 ? (crc << 1) ^ 0x1021 : crc << 1 }
            }
            #expect(withBytes(of: key) { Slot.of($0) } == crc % 16384)
        }
    }

    @Test func onlyTheFirstFilledHashTagCounts() {
        #expect(slot("{user1000}.following") == slot("{user1000}.followers"))
        #expect(slot("foo{}{bar}") != slot("bar"))
        #expect(slot("foo{{bar}}zap") == slot("{bar"))
        #expect(slot("foo{bar}{zap}") == slot("bar"))
    }
}

@Suite struct StoredKeyTests {
    @Test func orderIsSlotThenHashThenKey() {
        let a = StoredKey.lowerBound(keyspace: 1, generation: 2, slot: 3, hash: 4)
        let b = StoredKey.lowerBound(keyspace: 1, generation: 2, slot: 3, hash: 5)
        let c = StoredKey.lowerBound(keyspace: 1, generation: 2, slot: 4, hash: 0)
        #expect(a.count == StoredKey.prefixLength)
        #expect(a.lexicographicallyPrecedes(b))
        #expect(b.lexicographicallyPrecedes(c))
        #expect(c.lexicographicallyPrecedes(StoredKey.upperBound(keyspace: 1, generation: 2)))
        #expect(withBytes(of: b + [9]) { StoredKey.place(of: $0) } == 3 << 40 | 5)
    }

    @Test func theHashOfAKeyIsKeyed() {
        let (one, two) = withBytes(of: "key") { (StoredKey.hash($0, seed: 1), StoredKey.hash($0, seed: 2)) }
        #expect(one != two)
        #expect(one < 1 << 40)
    }
}
