/// A storage backend as a launcher registers it: its name, its settings and how it is opened.
///
/// A third party's executable hands its own kinds to the launcher beside or instead of ours.
public struct BackendKind: Sendable {
    /// The word in a cluster file: lower case, unique.
    public var name: String
    /// One sentence for `--help`.
    public var summary: String
    /// The engine's library and version, as in `LMDB 0.9.24`.
    public var version: String
    /// Whether it needs a data directory with these settings.
    public var needsDirectory: @Sendable (BackendSettings) -> Bool
    /// The settings it takes in a node's `storage:` mapping beside `backend`.
    public var settings: [BackendSetting]
    /// Opens the data set, or creates it where there is none.
    public var open: @Sendable (BackendOpening) throws(StorageError) -> any StorageBackend

    public init(
        name: String, summary: String, version: String,
        needsDirectory: @escaping @Sendable (BackendSettings) -> Bool,
        settings: [BackendSetting],
        open: @escaping @Sendable (BackendOpening) throws(StorageError) -> any StorageBackend
    ) {
        self.name = name
        self.summary = summary
        self.version = version
        self.needsDirectory = needsDirectory
        self.settings = settings
        self.open = open
    }
}

/// One setting of a backend, declared once: name, kind, default, meaning.
public struct BackendSetting: Sendable {
    /// What values a setting takes.
    public enum Kind: Sendable {
        /// Bytes, written with a unit: `64MiB`.
        case size(ClosedRange<Int>)
        case integer(ClosedRange<Int>)
        case boolean
        case choice([String])
    }
    public var name: String
    public var kind: Kind
    /// The default in the notation of the file: `1GiB`, `10`, `true`, `lz4`.
    public var defaultText: String
    public var defaultValue: BackendSettings.Value
    public var help: String

    public init(
        _ name: String, _ kind: Kind, default value: BackendSettings.Value, text: String, help: String
    ) {
        self.name = name
        self.kind = kind
        defaultText = text
        defaultValue = value
        self.help = help
    }
}

/// The values given for a backend's settings; what is not given has its default.
public struct BackendSettings: Sendable {
    public enum Value: Sendable, Equatable {
        case number(Int)
        case boolean(Bool)
        case text(String)
    }
    public var values: [String: Value]

    public init(_ values: [String: Value] = [:]) { self.values = values }

    /// The number given for `name`, or `fallback`.
    public func number(_ name: String, default fallback: Int) -> Int {
        if case .number(let value) = values[name] { value } else { fallback }
    }

    public func boolean(_ name: String, default fallback: Bool) -> Bool {
        if case .boolean(let value) = values[name] { value } else { fallback }
    }

    public func text(_ name: String, default fallback: String) -> String {
        if case .text(let value) = values[name] { value } else { fallback }
    }
}

/// What a backend is opened with.
public struct BackendOpening: Sendable {
    /// The locked data directory whose manifest was checked; nil for a backend that keeps nothing on disk.
    public var directory: DataDirectory?
    public var settings: BackendSettings
    /// The node's durability: what writes will ask for at most. An engine may choose its mode by it.
    public var durability: Durability
    /// An operator's word that contents which may have been damaged by a power failure are accepted.
    public var acceptsDataLoss: Bool

    public init(
        directory: DataDirectory?, settings: BackendSettings = BackendSettings(), durability: Durability = .always,
        acceptsDataLoss: Bool = false
    ) {
        self.directory = directory
        self.settings = settings
        self.durability = durability
        self.acceptsDataLoss = acceptsDataLoss
    }
}
