internal import MartletCore

/// A workload's values: a text that names its write and its key, so that bytes of another key, of no write, or that are
/// not whole are known at once.
enum ValueText {
    /// `NUMBER:KEY:` and a filler whose bytes and length follow from both.
    static func text(_ number: UInt64, _ key: History.Key) -> String {
        let head = "\(number):\(key):"
        let hash = Array(head.utf8).withHash
        let length = hash % 16 == 0 ? Int(hash >> 8 & 1023) : Int(hash >> 8 & 31)
        let letter = Character(Unicode.Scalar(UInt8(97 + (hash >> 20) % 26)))
        return head + String(repeating: letter, count: length)
    }

    static func content(of bytes: [UInt8], key: History.Key) -> History.Content {
        let shown = String(decoding: bytes.prefix(60), as: UTF8.self)
        guard let end = bytes.firstIndex(of: UInt8(ascii: ":")),
            let number = UInt64(String(decoding: bytes[..<end], as: UTF8.self)),
            Array(text(number, key).utf8) == bytes
        else { return .foreign(shown) }
        return .value(number)
    }
}

extension [UInt8] {
    fileprivate var withHash: UInt64 { withBytes(of: self) { XXH3.hash($0) } }
}
