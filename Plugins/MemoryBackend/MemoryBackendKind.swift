public import MartletRuntime

extension BackendKind {
    /// The `memory` backend: an ordered tree in memory, exact in its accounting of bytes.
    public static var memory: BackendKind {
        BackendKind(
            name: "memory",
            summary: "an ordered tree in memory",
            version: "built in",
            needsDirectory: { _ in false },
            settings: [
                BackendSetting(
                    "capacity", .size(0...Int.max), default: .number(0), text: "0",
                    help: "Most bytes of memory for keys and values; writes beyond are refused. 0 = no limit.")
            ],
            open: { opening throws(StorageError) in
                MemoryBackend(capacity: opening.settings.number("capacity", default: 0))
            })
    }
}
