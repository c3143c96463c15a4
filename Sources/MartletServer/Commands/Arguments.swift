import MartletCore
import MartletNode

/// Reading command arguments as Redis does. All work on borrowed bytes and allocate nothing.
extension RawSpan {
    /// Whether this is `word` without regard to ASCII case. `word` is lower case.
    ///
    /// Redis compares options as C strings, so what follows a NUL byte is not looked at; neither is it here.
    func isWord(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard byteCount >= length, byteCount == length || byte(length) == 0 else { return false }
        let text = unsafe word.utf8Start
        for offset in 0..<length where unsafe byte(offset).lowercased != text[offset] { return false }
        return true
    }

    /// How long this is as a C string without the CRs and LFs at its end, which Redis trims off an error's text.
    var trimmedCount: Int {
        var end = 0
        while end < byteCount, byte(end) != 0 { end += 1 }
        while end > 0, byte(end - 1) == 10 || byte(end - 1) == 13 { end -= 1 }
        return end
    }

    /// Redis' `string2ll`: an optional minus, no leading zero, plus or space, nothing after the digits; nil if it is
    /// not one or does not fit.
    var decimal: Int64? {
        let count = byteCount
        guard count > 0, count <= 20 else { return nil }
        let first = byte(0)
        if count == 1, first == 48 { return 0 }
        let isNegative = first == UInt8(ascii: "-")
        var at = isNegative ? 1 : 0
        guard at < count, byte(at) > 48, byte(at) <= 57 else { return nil }
        var magnitude: UInt64 = 0
        while at < count {
            let digit = byte(at) &- 48
            guard digit < 10 else { return nil }
            let (tenfold, overflows) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carries) = tenfold.addingReportingOverflow(UInt64(digit))
            if overflows || carries { return nil }
            magnitude = sum
            at += 1
        }
        if isNegative {
            return magnitude <= Int64.min.magnitude ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
        }
        return Int64(exactly: magnitude)
    }
}

extension UInt8 {
    /// ASCII lower case; other bytes as they are.
    @inlinable var lowercased: UInt8 { self &- 65 < 26 ? self | 0x20 : self }
    @inlinable var uppercased: UInt8 { self &- 97 < 26 ? self & 0xdf : self }
}

/// Arguments with Redis' refusals: nil means that the error reply has been appended.
extension Invocation {
    func integer(_ input: RawSpan, _ index: Int, else refusal: StaticString = Refusal.notAnInteger) -> Int64? {
        if let value = input.extracting(self[index]).decimal { return value }
        reply.refuse(refusal)
        return nil
    }

    /// A C `int`: Redis has two different refusals for what is no number and what is too large.
    func int32(_ input: RawSpan, _ index: Int) -> Int? {
        guard let value = integer(input, index) else { return nil }
        if let small = Int32(exactly: value) { return Int(small) }
        reply.refuse("ERR value is out of range, value must between -2147483648 and 2147483647")
        return nil
    }

    /// Stores, or appends why not; true if it did.
    @inline(__always)
    func store(_ key: RawSpan, _ value: RawSpan, expiry: Expiry) -> Bool {
        do throws(WriteRefusal) {
            try transaction.put(key, value, expiry: expiry)
            return true
        } catch {
            reply.error(error.reply)
            return false
        }
    }

    /// Deletes: whether there was a live value, or nil and the refusal is appended.
    func remove(_ key: RawSpan) -> Bool? {
        do throws(WriteRefusal) {
            return try transaction.delete(key)
        } catch {
            reply.error(error.reply)
            return nil
        }
    }

    /// The live value appended to `buffer`, to be changed and stored again.
    func load(_ key: RawSpan, into buffer: inout ByteBuffer) -> ValueFacts? {
        var found: ValueFacts?
        _ = transaction.read(key) { value, facts in
            buffer.append(value)
            found = facts
        }
        return found
    }
}
