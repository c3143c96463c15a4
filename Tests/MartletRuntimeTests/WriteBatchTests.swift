import MartletCore
import MartletRuntime
import Testing

@Suite struct WriteBatchTests {
    private struct Entry: Equatable {
        var key: [UInt8]
        var value: [UInt8]?
    }

    private static func entries(_ batch: borrowing WriteBatch) -> [Entry] {
        var found: [Entry] = []
        batch.forEach { key, value, isDelete in
            found.append(Entry(key: key.array, value: isDelete ? nil : value.array))
        }
        return found
    }

    @Test("operations come back in their order, whatever the sizes", arguments: [1, 2, 3] as [UInt64])
    func order(seed: UInt64) {
        var state = seed
        func draw(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var batch = WriteBatch()
        var expected: [Entry] = []
        for round in 0..<3 {
            for index in 0..<500 {
                let key = [UInt8](repeating: UInt8(index & 0xff), count: draw(40))
                let value = [UInt8](repeating: UInt8(draw(256)), count: draw(10) == 0 ? draw(20_000) : draw(50))
                switch draw(3) {
                case 0:
                    withBytes(of: key) { batch.delete($0) }
                    expected.append(Entry(key: key, value: nil))
                case 1:
                    withBytes(of: key) { key in withBytes(of: value) { batch.put(key, $0) } }
                    expected.append(Entry(key: key, value: value))
                default:
                    withBytes(of: key) { batch.put($0) { $0.append(value) } }
                    expected.append(Entry(key: key, value: value))
                }
            }
            #expect(batch.count == expected.count && !batch.isEmpty)
            #expect(batch.byteCount == expected.reduce(0) { $0 + $1.key.count + ($1.value?.count ?? 0) })
            #expect(Self.entries(batch) == expected, "round \(round)")
            batch.removeAll()
            expected.removeAll()
            #expect(batch.isEmpty && batch.count == 0 && batch.byteCount == 0)
        }
    }

    @Test func appendingKeepsBothAndTheirOrder() {
        func batch(_ names: [String]) -> WriteBatch {
            var batch = WriteBatch()
            for name in names {
                if name.hasPrefix("-") {
                    withBytes(of: String(name.dropFirst())) { batch.delete($0) }
                } else {
                    withBytes(of: name) { key in batch.put(key, key) }
                }
            }
            return batch
        }
        var first = batch(["a", "-b"])
        let second = batch(["c", "-a", "d"])
        first.append(second)
        first.append(WriteBatch())
        #expect(Self.entries(first) == Self.entries(batch(["a", "-b", "c", "-a", "d"])))
        #expect(Self.entries(second).count == 3)
    }

    @Test func anEmptyValueIsNoDelete() {
        var batch = WriteBatch()
        withBytes(of: [1]) { key in withBytes(of: []) { batch.put(key, $0) } }
        withBytes(of: [1]) { batch.delete($0) }
        #expect(Self.entries(batch) == [Entry(key: [1], value: []), Entry(key: [1], value: nil)])
    }

    @Test func anErrorEndsTheWalk() {
        struct Stop: Error {}
        var batch = WriteBatch()
        for byte in UInt8(0)..<5 { withBytes(of: [byte]) { batch.delete($0) } }
        var seen = 0
        func look(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) throws(Stop) {
            seen += 1
            if seen == 3 { throw Stop() }
        }
        do throws(Stop) {
            try batch.forEach(look)
            Issue.record("the walk did not throw")
        } catch {
            #expect(seen == 3)
        }
    }
}
