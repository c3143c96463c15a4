public import MartletCore

/// Puts and deletes that are applied together, in their order; it owns its bytes in one arena.
///
/// ```swift
/// var batch = WriteBatch()
/// batch.put(key, value)
/// batch.delete(other)
/// try backend.apply(batch, durability: .always)
/// batch.removeAll()  // keeps the memory for the next
/// ```
public struct WriteBatch: ~Copyable, Sendable {
    /// One entry. `value` is nil for a delete.
    public struct Operation: Sendable {
        @usableFromInline var key: Range<Int>
        @usableFromInline var value: Range<Int>?
        @usableFromInline
        init(key: Range<Int>, value: Range<Int>?) {
            self.key = key
            self.value = value
        }
    }

    @usableFromInline var bytes = ByteBuffer(capacity: 4096)
    @usableFromInline var operations: [Operation] = []

    public init() {}

    /// Operations in the batch.
    @inlinable public var count: Int { operations.count }
    @inlinable public var isEmpty: Bool { operations.isEmpty }
    /// Bytes of all keys and values.
    @inlinable public var byteCount: Int { bytes.count }

    @inlinable
    public mutating func put(_ key: RawSpan, _ value: RawSpan) {
        let start = bytes.count
        bytes.append(key)
        let middle = bytes.count
        bytes.append(value)
        operations.append(Operation(key: start..<middle, value: middle..<bytes.count))
    }

    /// Puts a value that `encode` appends to the arena, without a copy in between.
    @inlinable
    public mutating func put(_ key: RawSpan, encoding encode: (inout ByteBuffer) -> Void) {
        let start = bytes.count
        bytes.append(key)
        let middle = bytes.count
        encode(&bytes)
        operations.append(Operation(key: start..<middle, value: middle..<bytes.count))
    }

    @inlinable
    public mutating func delete(_ key: RawSpan) {
        let start = bytes.count
        bytes.append(key)
        operations.append(Operation(key: start..<bytes.count, value: nil))
    }

    /// Appends another batch's operations after this one's. O(its bytes).
    public mutating func append(_ other: borrowing WriteBatch) {
        let shift = bytes.count
        other.bytes.withBytes { bytes.append($0) }
        for operation in other.operations {
            operations.append(
                Operation(
                    key: operation.key.lowerBound + shift..<operation.key.upperBound + shift,
                    value: operation.value.map { $0.lowerBound + shift..<$0.upperBound + shift }))
        }
    }

    /// Empties the batch and keeps its memory, up to 1 MiB.
    public mutating func removeAll() {
        operations.removeAll(keepingCapacity: operations.capacity <= 65536)
        bytes.removeAll()
        bytes.releaseExcess(keeping: 1 << 20)
    }

    /// Lends one operation: its key, and its value or an empty span for a delete.
    @inlinable
    public borrowing func withOperation(
        _ index: Int, _ body: (_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) -> Void
    ) {
        let operation = operations[index]
        bytes.withBytes { all in
            if let value = operation.value {
                body(all.extracting(operation.key), all.extracting(value), false)
            } else {
                body(all.extracting(operation.key), all.extracting(0..<0), true)
            }
        }
    }

    /// Lends each operation in order: its key, and its value or an empty span for a delete.
    @inlinable
    public borrowing func forEach<E: Error>(
        _ body: (_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) throws(E) -> Void
    ) throws(E) {
        for index in operations.indices {
            let operation = operations[index]
            try bytes.withBytes { all throws(E) in
                let key = all.extracting(operation.key)
                if let value = operation.value {
                    try body(key, all.extracting(value), false)
                } else {
                    try body(key, all.extracting(0..<0), true)
                }
            }
        }
    }
}
