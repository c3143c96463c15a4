/// Why a storage backend could not do what it was asked.
public struct StorageError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is. More may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        fileprivate enum Known: String {
            case outOfSpace, inputOutput, corrupted, poisoned, closed, inUse, wrongManifest, incompatible
            case invalidSetting, unsupported, tooLarge
        }
        fileprivate var known: Known
        public var description: String { known.rawValue }

        /// The disk, the map or the configured capacity is full. Nothing of the batch was applied; reads go on.
        public static let outOfSpace = Code(known: .outOfSpace)
        /// The system refused a read, write or sync.
        public static let inputOutput = Code(known: .inputOutput)
        /// Bytes on disk are not what was written.
        public static let corrupted = Code(known: .corrupted)
        /// An earlier write or sync failed; this handle refuses writes until the backend is opened anew.
        public static let poisoned = Code(known: .poisoned)
        /// The backend was closed.
        public static let closed = Code(known: .closed)
        /// Another process, or this one, has the data directory open.
        public static let inUse = Code(known: .inUse)
        /// The directory's manifest names another cluster, node, backend or format.
        public static let wrongManifest = Code(known: .wrongManifest)
        /// The contents cannot be trusted without an operator's word, as the message says.
        public static let incompatible = Code(known: .incompatible)
        /// A setting's value is not one that is allowed.
        public static let invalidSetting = Code(known: .invalidSetting)
        /// This backend cannot do that.
        public static let unsupported = Code(known: .unsupported)
        /// A key or value is longer than the engine can hold.
        public static let tooLarge = Code(known: .tooLarge)
    }

    public var code: Code
    /// One sentence for a person: what failed, on which file, with the engine's own words.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code): \(message)" }
}
