#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A type that can be stored.
///
/// Text, bytes, integers and floating-point numbers are stored as Redis clients store them. A `Codable` type needs no
/// more than the conformance, and is stored as JSON:
///
/// ```swift
/// struct User: Codable, MartletValue { var name: String }
/// ```
public protocol MartletValue: Sendable {
    /// Reads a stored value. It throws where the bytes are no value of this type.
    init(storedBytes: [UInt8]) throws
    /// The bytes to store.
    func storedBytes() throws -> [UInt8]
}

/// Bytes that are no value of the type asked for.
struct NotAValue: Error, CustomStringConvertible {
    var description: String
}

extension MartletValue where Self: Codable {
    public init(storedBytes: [UInt8]) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(storedBytes))
    }

    /// The value as JSON with sorted keys, so that equal values are stored as equal bytes.
    public func storedBytes() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }
}

extension Array: MartletValue where Element == UInt8 {
    public init(storedBytes: [UInt8]) { self = storedBytes }
    public func storedBytes() -> [UInt8] { self }
}

extension String: MartletValue {
    /// Throws if the bytes are no UTF-8.
    public init(storedBytes: [UInt8]) throws {
        guard let text = String(validating: storedBytes, as: UTF8.self) else {
            throw NotAValue(description: "the bytes are no UTF-8 text")
        }
        self = text
    }
    public func storedBytes() -> [UInt8] { Array(utf8) }
}

extension Int: MartletValue {
    /// Reads decimal digits with an optional sign.
    public init(storedBytes: [UInt8]) throws {
        guard let value = Int(String(decoding: storedBytes, as: UTF8.self)) else {
            throw NotAValue(description: "the bytes are no decimal integer of 64 bits")
        }
        self = value
    }
    public func storedBytes() -> [UInt8] { Array(String(self).utf8) }
}

extension Double: MartletValue {
    /// Reads decimal notation.
    public init(storedBytes: [UInt8]) throws {
        guard let value = Double(String(decoding: storedBytes, as: UTF8.self)) else {
            throw NotAValue(description: "the bytes are no decimal number")
        }
        self = value
    }
    public func storedBytes() -> [UInt8] { Array(String(self).utf8) }
}

extension MartletValue {
    /// The bytes to store; what the type throws becomes the client's error.
    func encoded() throws(MartletError) -> [UInt8] {
        do { return try storedBytes() } catch {
            throw MartletError(.badValue, .notApplied, "a \(Self.self) cannot be stored: \(error)")
        }
    }

    static func decoded(_ bytes: [UInt8]) throws(MartletError) -> Self {
        do { return try Self(storedBytes: bytes) } catch {
            throw MartletError(.badValue, .notApplied, "the stored bytes are no \(Self.self): \(error)")
        }
    }
}
