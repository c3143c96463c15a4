import MartletCore
import Testing

@Suite struct ByteCursorTests {
    private enum Field {
        case byte(UInt8)
        case word(UInt32)
        case varint(UInt64)
        case run([UInt8])
    }

    @Test("fields written one after another are read back", arguments: seeds)
    func roundTrip(seed: UInt64) throws {
        var random = Seeded(seed)
        var buffer = ByteBuffer()
        var fields: [Field] = []
        for _ in 0..<300 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: fields.append(.byte(UInt8.random(in: 0...255, using: &random)))
            case 1: fields.append(.word(UInt32(truncatingIfNeeded: random.next())))
            case 2: fields.append(.varint(random.number()))
            default: fields.append(.run(random.bytes(Int.random(in: 0..<30, using: &random))))
            }
            switch fields[fields.count - 1] {
            case .byte(let value): buffer.append(value)
            case .word(let value): buffer.append(littleEndian: value)
            case .varint(let value): buffer.append(varint: value)
            case .run(let bytes): buffer.append(bytes)
            }
        }
        let bytes = buffer.copy()
        var cursor = ByteCursor()
        for (index, field) in fields.enumerated() {
            try withBytes(of: bytes) { span in
                switch field {
                case .byte(let value): #expect(try cursor.byte(of: span) == value, "field \(index)")
                case .word(let value): #expect(try cursor.littleEndian(of: span, as: UInt32.self) == value)
                case .varint(let value): #expect(try cursor.varint(of: span) == value, "field \(index)")
                case .run(let run):
                    let place = try cursor.take(run.count, of: span)
                    #expect(span.slice(place.lowerBound, place.upperBound) == run, "field \(index)")
                }
            }
        }
        #expect(cursor.offset == bytes.count)
    }

    @Test(
        "every cut of a field throws and moves nowhere beyond the end", arguments: [0, 127, 128, 1 << 35, UInt64.max])
    func cutShort(value: UInt64) throws {
        var buffer = ByteBuffer()
        buffer.append(varint: value)
        let whole = buffer.copy()
        for count in 0..<whole.count {
            withBytes(of: Array(whole.prefix(count))) { span in
                var cursor = ByteCursor()
                #expect(throws: ByteCursor.Malformed.self) { try cursor.varint(of: span) }
                #expect(cursor.offset <= count)
            }
        }
        withBytes(of: [1, 2, 3]) { span in
            var cursor = ByteCursor()
            #expect(throws: ByteCursor.Malformed.self) { try cursor.littleEndian(of: span, as: UInt32.self) }
            #expect(throws: ByteCursor.Malformed.self) { try cursor.take(4, of: span) }
            #expect(throws: ByteCursor.Malformed.self) { try cursor.take(-1, of: span) }
            #expect(throws: ByteCursor.Malformed.self) { try cursor.take(.max, of: span) }
            #expect(cursor.offset == 0)
        }
    }

    @Test("a varint of more than 64 bits is malformed")
    func tooLong() {
        for bytes: [UInt8] in [
            [UInt8](repeating: 0xff, count: 10), [UInt8](repeating: 0x80, count: 9) + [2],
            [UInt8](repeating: 0x80, count: 12) + [0],
        ] {
            withBytes(of: bytes) { span in
                var cursor = ByteCursor()
                #expect(throws: ByteCursor.Malformed.self) { try cursor.varint(of: span) }
            }
        }
        withBytes(of: [UInt8](repeating: 0xff, count: 9) + [1]) { span in
            var cursor = ByteCursor()
            #expect((try? cursor.varint(of: span)) == UInt64.max)
        }
    }

    @Test("random bytes are read or refused, never a trap", arguments: seeds)
    func garbage(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<2000 {
            let bytes = random.bytes(Int.random(in: 0..<14, using: &random))
            withBytes(of: bytes) { span in
                var cursor = ByteCursor(at: Int.random(in: 0...bytes.count, using: &random))
                let start = cursor.offset
                if let value = try? cursor.varint(of: span) {
                    #expect(value < 128 || cursor.offset > start + 1)
                }
                #expect(cursor.offset >= start && cursor.offset <= bytes.count)
            }
        }
    }
}
