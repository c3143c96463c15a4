public import MartletRuntime

extension BackendKind {
    /// The `memory` backend: an ordered tree in memory, exact in its accounting of bytes, with an optional commit log.
    public static var memory: BackendKind {
        BackendKind(
            name: "memory",
            summary: "an ordered tree in memory, with a commit log and snapshots where asked for",
            version: "built in",
            needsDirectory: { $0.boolean("log", default: false) },
            settings: settings,
            open: open)
    }

    private static var settings: [BackendSetting] {
        [
            BackendSetting(
                "capacity", .size(0...Int.max), default: .number(0), text: "0",
                help: "Most bytes of memory; a write that may lead beyond is refused. 0 is no limit."),
            BackendSetting(
                "log", .boolean, default: .boolean(false), text: "false",
                help: "Log every batch in the data directory, so that the contents survive a restart."),
            BackendSetting(
                "log-minimum", .size(0...1 << 50), default: .number(64 << 20), text: "64MiB",
                help: "The log is never cut short by a snapshot while it is smaller than this."),
            BackendSetting(
                "log-multiple", .integer(0...1000), default: .number(1), text: "1",
                help: "A snapshot is taken when the log exceeds its minimum and this multiple of the live data."),
        ]
    }

    @Sendable
    private static func open(_ opening: BackendOpening) throws(StorageError) -> any StorageBackend {
        let settings = opening.settings
        let capacity = settings.number("capacity", default: 0)
        guard settings.boolean("log", default: false) else { return MemoryBackend(capacity: capacity) }
        guard let directory = opening.directory else {
            throw StorageError(.invalidSetting, "memory: 'log: true' needs a data directory")
        }
        let policy = CommitLog.Policy(
            minimum: settings.number("log-minimum", default: 64 << 20),
            liveMultiple: settings.number("log-multiple", default: 1))
        return try MemoryBackend(
            capacity: capacity, directory: SystemLogDirectory(root: directory.path), policy: policy)
    }
}
