internal import MartletCore
internal import MartletSimulator

/// A key of a drill's load. Its values name the write they are of and the key, so that wrong bytes are known at once.
struct DrillKey: Sendable {
    var number: Int
    var partition: Int
    var wire: [UInt8]

    /// What the checkers know it by.
    var inHistory: History.Key { History.Key(.plain, number) }

    /// So many keys, the next one always in the next partition: each partition is then written at even distances.
    static func make(_ count: Int, partitions: Int) -> [DrillKey] {
        let width = Slot.count / max(1, partitions)
        var found = Array(repeating: [DrillKey](), count: partitions)
        let most = (count + partitions - 1) / partitions
        func room(_ partition: Int) -> Int { count / partitions + (partition < count % partitions ? 1 : 0) }
        var rest = count
        var number = 0
        while rest > 0 {
            let wire = Array("martlet:drill:\(number)".utf8)
            let partition = withBytes(of: wire) { Int(Slot.of($0)) } / width
            if found[partition].count < room(partition) {
                found[partition].append(DrillKey(number: number, partition: partition, wire: wire))
                rest -= 1
            }
            number += 1
        }
        return (0..<most).flatMap { round in found.compactMap { round < $0.count ? $0[round] : nil } }
    }

    /// The value of a write: `NUMBER:KEY:` and a filler of letters that follows from both.
    func value(_ write: UInt64, bytes: Int) -> [UInt8] {
        var value = Array("\(write):\(number):".utf8)
        let letter = UInt8(97 + (write &* 31 &+ UInt64(number)) % 26)
        while value.count < bytes { value.append(letter) }
        return value
    }

    /// The number of the write that a value is of; nil if no write of this key has it.
    func write(of value: RawSpan, bytes: Int) -> UInt64? {
        var write: UInt64 = 0
        var at = 0
        while at < value.byteCount, at < 19, value.byte(at) != UInt8(ascii: ":") {
            let digit = value.byte(at)
            guard (48...57).contains(digit) else { return nil }
            write = write * 10 + UInt64(digit - 48)
            at += 1
        }
        let expected = self.value(write, bytes: bytes)
        guard value.byteCount == expected.count else { return nil }
        for index in expected.indices where value.byte(index) != expected[index] { return nil }
        return write
    }
}
