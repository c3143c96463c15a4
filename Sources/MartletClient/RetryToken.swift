import MartletRuntime

/// The identity of one write, 128 bits drawn at random: a server that has seen it does not apply the write again.
///
/// Every write carries one. To send a write again whose outcome is unknown, pass the ``MartletError/retryToken`` of its
/// error; servers remember tokens for at least a minute.
public struct RetryToken: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    init(from source: any RandomSource) {
        high = source.next()
        low = source.next()
    }

    var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } }
    }
}
