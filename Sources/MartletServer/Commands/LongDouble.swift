import Glibc
import MartletCore

/// C's `long double`, with which Redis computes INCRBYFLOAT: 80 bits on x86, and a double where Swift has no wider.
struct LongDouble {
    #if arch(x86_64) || arch(i386)
        typealias Storage = Float80
    #else
        typealias Storage = Double
    #endif
    private var value: Storage

    /// Redis' buffer for one, with its NUL.
    private static let longestText = 5 * 1024

    init(_ value: Storage) { self.value = value }

    /// Redis' `string2ld`: what `strtold` takes to the last byte, without leading space; nil also if it is out of range
    /// or not a number.
    init?(parsing bytes: RawSpan) {
        let count = bytes.byteCount
        guard count > 0, count < Self.longestText else { return nil }
        let first = bytes.byte(0)
        if first == 32 || (first >= 9 && first <= 13) { return nil }
        var text = bytes.array
        text.append(0)
        let parsed: Storage? = unsafe text.withUnsafeBytes { raw in
            let start = unsafe raw.baseAddress!.assumingMemoryBound(to: CChar.self)
            var end: UnsafeMutablePointer<CChar>?
            errno = 0
            #if arch(x86_64) || arch(i386)
                let number = unsafe strtold(start, &end)
            #else
                let number = unsafe strtod(start, &end)
            #endif
            guard let end = unsafe end, unsafe UnsafePointer(end) - start == count else { return nil }
            if errno == ERANGE, number.isInfinite || number.isZero { return nil }
            return errno == EINVAL || number.isNaN ? nil : number
        }
        guard let parsed else { return nil }
        value = parsed
    }

    var isFinite: Bool { value.isFinite }

    static func + (a: LongDouble, b: LongDouble) -> LongDouble { LongDouble(a.value + b.value) }

    /// Redis' form for people: 17 decimals without trailing zeros, never an exponent, zero without a sign.
    func append(to buffer: inout ByteBuffer) {
        var text = [UInt8](repeating: 0, count: Self.longestText)
        var length = unsafe text.withUnsafeMutableBytes { raw in
            let start = unsafe raw.baseAddress!.assumingMemoryBound(to: CChar.self)
            #if arch(x86_64) || arch(i386)
                let format = "%.17Lf"
            #else
                let format = "%.17f"
            #endif
            return unsafe withVaList([value]) { unsafe Int(vsnprintf(start, Self.longestText, format, $0)) }
        }
        while text[length - 1] == UInt8(ascii: "0") { length -= 1 }
        if text[length - 1] == UInt8(ascii: ".") { length -= 1 }
        if length == 2, text[0] == UInt8(ascii: "-"), text[1] == UInt8(ascii: "0") { return buffer.append("0") }
        withBytes(of: text) { buffer.append($0.extracting(0..<length)) }
    }
}
