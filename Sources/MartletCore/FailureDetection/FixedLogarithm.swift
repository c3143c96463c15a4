/// Logarithms without floating point, so that timeouts are the same on every machine.
enum FixedLogarithm {
    /// One, in the numbers that ``binary(_:)`` returns.
    static let one: UInt64 = 1 << 16
    /// log10(2), in the same.
    private static let decimalOfTwo: UInt64 = 19_728

    /// The logarithm to base 2 of `value`, in 65536ths; 0 for values below 2. 16 steps.
    static func binary(_ value: UInt64) -> UInt64 {
        guard value > 1 else { return 0 }
        let whole = UInt64(63 - value.leadingZeroBitCount)
        // The mantissa in 1..<2 with 31 bits behind the point; squared, each doubling past 2 is one more bit.
        var mantissa = whole <= 31 ? value << (31 - whole) : value >> (whole - 31)
        var result = whole
        for _ in 0..<16 {
            mantissa = mantissa * mantissa >> 31
            result <<= 1
            if mantissa >= 1 << 32 {
                mantissa >>= 1
                result |= 1
            }
        }
        return result
    }

    /// The logarithm to base 10 of `value`, in 65536ths.
    static func decimal(_ value: UInt64) -> UInt64 { binary(value) * decimalOfTwo / one }
}
