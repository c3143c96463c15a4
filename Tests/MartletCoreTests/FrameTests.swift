import MartletCore
import Testing

@Suite struct FrameTests {
    private static let header = MessageHeader(
        kind: MessageKind(rawValue: 0x1234), request: .max - 1, deadline: 4_000_000_000, epoch: 77, stamp: 1 << 63)

    private func frame(_ payload: [UInt8], _ header: MessageHeader = Self.header) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.append([9, 9, 9])  // a frame need not be the first thing in its buffer
        let isTaken = Frame.append(header, to: &buffer) { $0.append(payload) }
        #expect(isTaken)
        buffer.consume(3)
        return buffer.copy()
    }

    /// All frames of `bytes`, and where they end.
    private func parse(_ bytes: [UInt8], longest: Int = Frame.longest) throws -> (
        [(header: MessageHeader, payload: [UInt8])], end: Int
    ) {
        let parser = FrameParser(longest: longest)
        return try withBytes(of: bytes) { bytes throws(FrameError) in
            var found: [(MessageHeader, [UInt8])] = []
            var offset = 0
            while case .frame(let header, let payload) = try parser.next(bytes, at: offset) {
                found.append((header, bytes.extracting(payload).array))
                offset = payload.upperBound
            }
            return (found, offset)
        }
    }

    @Test(arguments: [0, 1, 100, 239, 240, 241, 100_000])
    func whatWasWrittenIsRead(_ length: Int) throws {
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let bytes = frame(payload)
        #expect(bytes.count == Frame.headerLength + length)
        let (found, end) = try parse(bytes + frame([1]) + [1, 2])
        #expect(found.count == 2 && end == bytes.count + 49)
        #expect(found[0].header == Self.header && found[0].payload == payload)
    }

    @Test func aFrameMayCutAnywhere() throws {
        let bytes = frame([1, 2, 3, 4, 5])
        for length in 0..<bytes.count {
            let (found, end) = try parse(Array(bytes[..<length]))
            #expect(found.isEmpty && end == 0)
        }
    }

    @Test func everyFlippedBitIsNoticed() {
        let bytes = frame([1, 2, 3, 4, 5])
        for bit in 0..<bytes.count * 8 {
            var copy = bytes
            copy[bit / 8] ^= 1 << (bit % 8)
            // A longer length is waited for, and noticed once more has come.
            #expect(throws: FrameError.self) {
                try parse(copy + [UInt8](repeating: 0, count: 1 << 20), longest: 1 << 20)
            }
        }
    }

    @Test func lengthsAreBounded() {
        func claim(_ length: UInt32) -> [UInt8] {
            var bytes = frame([])
            for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(index))) }
            return bytes
        }
        for length: UInt32 in [0, 1, 47, 64 << 20 + 1, .max] {
            #expect(throws: FrameError.badLength(length)) { try parse(claim(length)) }
        }
        #expect(throws: FrameError.badLength(1001)) { try parse(claim(1001), longest: 1000) }
        #expect(throws: Never.self) { try parse(claim(64 << 20)) }
    }

    @Test func foreignBytesAreNamed() {
        var bytes = frame([])
        bytes[14] = 200
        #expect(throws: FrameError.badVersion(200)) { try parse(bytes) }
        #expect(throws: FrameError.badMagic(0x2F50)) { try parse(Array("GET /key HTTP/1.1\r\n".utf8)) }
        #expect(throws: Never.self) { try parse([1, 2, 3]) }
    }

    @Test func whatIsTooLongLeavesNothing() {
        var buffer = ByteBuffer()
        buffer.append([1, 2])
        let isTaken = Frame.append(Self.header, to: &buffer) { $0.append([UInt8](repeating: 0, count: Frame.longest)) }
        #expect(!isTaken && buffer.copy() == [1, 2])
    }
}
