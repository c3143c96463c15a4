internal import MartletCore
internal import MartletRuntime

/// Says each kind of trouble with each peer at most once a minute, and how often it was left unsaid.
struct LinkLog {
    private struct Subject: Hashable {
        var node: UInt32?
        var code: UInt8
    }

    private struct Entry {
        var saidAt: MonotonicTime
        var unsaid = 0
    }

    private static let pause: Duration = .seconds(60)
    private let log: Log
    private var entries: [Subject: Entry] = [:]

    init(_ log: Log) { self.log = log }

    /// - Parameter node: a peer that is known; nil for all strangers together, so that they cannot fill the memory.
    mutating func say(
        _ level: Log.Level, about node: UInt32?, code: UInt8, at now: MonotonicTime, _ text: @autoclosure () -> String
    ) {
        let subject = Subject(node: node, code: code)
        guard let entry = entries[subject], now.since(entry.saidAt) < Self.pause else {
            let unsaid = entries[subject]?.unsaid ?? 0
            entries[subject] = Entry(saidAt: now)
            let text = text()
            log(level, unsaid == 0 ? text : "\(text) (and \(unsaid) times since last said)")
            return
        }
        entries[subject]?.unsaid += 1
    }
}
