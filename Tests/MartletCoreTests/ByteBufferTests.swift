import MartletCore
import Testing

@Suite struct ByteBufferTests {
    @Test("holds what an array holds after random appends, consumes and truncations", arguments: seeds)
    func model(seed: UInt64) {
        var random = Seeded(seed)
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        for step in 0..<2000 {
            switch Int.random(in: 0..<12, using: &random) {
            case 0:
                buffer.append(UInt8(7))
                model.append(7)
            case 1, 2:
                let bytes = random.bytes(Int.random(in: 0..<200, using: &random))
                buffer.append(bytes)
                model += bytes
            case 3:
                buffer.append("grüße" as String)
                model += Array("grüße".utf8)
            case 4:
                buffer.append("static" as StaticString)
                model += Array("static".utf8)
            case 5:
                let value = random.number()
                buffer.append(littleEndian: value)
                model += (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
            case 6:
                let value = UInt32(truncatingIfNeeded: random.next())
                buffer.append(bigEndian: value)
                model += (0..<4).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
            case 7:
                let value = Int64(bitPattern: random.number())
                buffer.append(decimal: value)
                model += Array(String(value).utf8)
            case 8, 9:
                let count = Int.random(in: 0...model.count, using: &random)
                buffer.consume(count)
                model.removeFirst(count)
            case 10:
                let count = Int.random(in: 0...model.count, using: &random)
                buffer.truncate(to: count)
                model.removeLast(model.count - count)
            default:
                guard model.count >= 4 else { continue }
                let offset = Int.random(in: 0...model.count - 4, using: &random)
                buffer.store(littleEndian: UInt32(0x0403_0201), at: offset)
                model.replaceSubrange(offset..<offset + 4, with: [1, 2, 3, 4])
            }
            #expect(buffer.count == model.count, "step \(step)")
            guard step % 20 == 0 else { continue }
            #expect(buffer.copy() == model, "step \(step)")
            let middle = model.count / 3..<model.count - model.count / 3
            #expect(buffer.withBytes(middle) { $0.array } == Array(model[middle]), "step \(step)")
        }
        #expect(buffer.copy() == model)
        #expect(buffer.isEmpty == model.isEmpty)
    }

    @Test(arguments: [0, 1, -1, 9, 10, -10, 99, Int64.max, Int64.min, Int64.min + 1])
    func decimalEdges(value: Int64) {
        var buffer = ByteBuffer()
        buffer.append(decimal: value)
        #expect(String(decoding: buffer.copy(), as: UTF8.self) == String(value))
    }

    @Test("what was appended before survives growth, whatever was consumed")
    func growth() {
        for consumed in [0, 1, 8, 15, 16] {
            var buffer = ByteBuffer(capacity: 16)
            buffer.append([UInt8](0..<16))
            buffer.consume(consumed)
            buffer.append([UInt8](repeating: 0xee, count: 1000))
            #expect(buffer.copy() == Array([UInt8](0..<16).dropFirst(consumed)) + [UInt8](repeating: 0xee, count: 1000))
        }
    }

    @Test func excessIsReleasedOnlyWhileEmpty() {
        var buffer = ByteBuffer()
        buffer.append([UInt8](repeating: 1, count: 100_000))
        let large = buffer.capacity
        buffer.releaseExcess(keeping: 1000)
        #expect(buffer.capacity == large && buffer.count == 100_000)
        buffer.removeAll()
        buffer.releaseExcess(keeping: large)
        #expect(buffer.capacity == large)
        buffer.releaseExcess(keeping: 1000)
        #expect(buffer.capacity == 1000 && buffer.isEmpty)
        buffer.append([5, 6])
        #expect(buffer.copy() == [5, 6])
    }

    @Test func aWholeBufferConsumedStartsAnew() {
        var buffer = ByteBuffer(capacity: 64)
        for round in 0..<1000 {
            buffer.append([UInt8](repeating: UInt8(round & 0xff), count: 40))
            buffer.consume(40)
        }
        #expect(buffer.capacity == 64)
    }

    @Test func misuseTraps() async {
        await #expect(processExitsWith: .failure) {
            var buffer = ByteBuffer()
            buffer.append([1, 2])
            buffer.consume(3)
        }
        await #expect(processExitsWith: .failure) {
            var buffer = ByteBuffer()
            buffer.append([1, 2, 3])
            buffer.store(littleEndian: UInt32(1), at: 0)
        }
    }
}
