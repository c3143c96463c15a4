import MartletCore
import Testing

@Suite struct RawSpanTests {
    @Test("compare orders as lexicographicallyPrecedes does, a prefix first", arguments: seeds)
    func compare(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<2000 {
            let stem = random.bytes(Int.random(in: 0..<20, using: &random))
            let a = stem + random.bytes(Int.random(in: 0..<4, using: &random))
            let b = Bool.random(using: &random) ? stem + random.bytes(Int.random(in: 0..<12, using: &random)) : a
            let order = withBytes(of: a) { a in withBytes(of: b) { b in a.compare(b).signum() } }
            let expected = a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
            #expect(order == expected, "\(a) and \(b)")
            #expect(withBytes(of: a) { a in withBytes(of: b) { b in a.equals(b) } } == (a == b))
        }
    }

    @Test("numbers read at any offset are the bytes that lie there", arguments: seeds)
    func numbers(seed: UInt64) {
        var random = Seeded(seed)
        let bytes = random.bytes(64)
        for offset in 0...56 {
            let little = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
            withBytes(of: bytes) { span in
                #expect(span.littleEndian(offset, as: UInt64.self) == little)
                #expect(span.bigEndian(offset, as: UInt64.self) == little.byteSwapped)
                #expect(span.littleEndian(offset, as: UInt16.self) == UInt16(truncatingIfNeeded: little))
                #expect(span.byte(offset) == bytes[offset])
            }
        }
    }

    @Test func slicesAndTexts() {
        withBytes(of: "naïve") { span in
            #expect(span.text == "naïve")
            #expect(span.array == Array("naïve".utf8))
            #expect(span.slice(1, 4) == Array("naïve".utf8)[1..<4].map { $0 })
            #expect(span.slice(2, 2).isEmpty)
        }
        withBytes(of: [0x61, 0xff, 0x62]) { #expect($0.text == "a\u{fffd}b") }
        withBytes(of: [UInt8]()) { span in
            #expect(span.array.isEmpty && span.text.isEmpty)
            #expect(span.equals(span) && span.compare(span) == 0)
        }
    }

    @Test func readsBeyondTheEndTrap() async {
        await #expect(processExitsWith: .failure) {
            withBytes(of: [1, 2, 3]) { _ = $0.littleEndian(0, as: UInt32.self) }
        }
        await #expect(processExitsWith: .failure) { withBytes(of: [1, 2, 3]) { _ = $0.byte(3) } }
        await #expect(processExitsWith: .failure) { withBytes(of: [1, 2, 3]) { _ = $0.slice(1, 4) } }
    }
}
