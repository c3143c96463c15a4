/// Remembers that a node has taken a write, beyond the loss of all its data: so that a cluster whose nodes all come up
/// empty can tell its first start from a disaster.
public struct ServedMark: Sendable {
    public let isSet: @Sendable () -> Bool
    /// Sets it for good. Called once; may block.
    public let set: @Sendable () -> Void

    public init(isSet: @escaping @Sendable () -> Bool, set: @escaping @Sendable () -> Void) {
        self.isSet = isSet
        self.set = set
    }

    /// One that lasts as long as the value: for simulations, whose processes come and go.
    public static func inMemory() -> ServedMark {
        let flag = Lock(false)
        return ServedMark(isSet: { flag.withLock { $0 } }, set: { flag.withLock { $0 = true } })
    }

    /// The file `SERVED` in a directory, which is made if need be; it stays when data are erased beside it. Where it
    /// cannot be written the node goes on without: it only decides what a loss is called.
    public static func file(in directory: String) -> ServedMark {
        let path = directory + "/SERVED"
        return ServedMark(
            isSet: { (try? SystemFile.read(path)).flatMap { $0 } != nil },
            set: {
                try? DataDirectory.makeDirectories(directory)
                try? SystemFile.replace(path, with: "this node has taken a write\n")
            })
    }
}
