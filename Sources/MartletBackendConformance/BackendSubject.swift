public import MartletRuntime

/// A backend to be certified: a type, so that a crashed child process finds it again by its name.
///
/// ```swift
/// enum Mine: BackendSubject { static let kind = BackendKind.mine }
/// @Test(arguments: BackendCheck.applicable(to: Mine.self))
/// func conforms(_ check: BackendCheck) async throws { try await check.run(on: Mine.self) }
/// ```
public protocol BackendSubject: Sendable {
    /// The kind as it is handed to the launcher.
    static var kind: BackendKind { get }

    /// What every check opens it with. Small thresholds make rare work, such as a rotation of logs, happen in the
    /// checks.
    static var settings: BackendSettings { get }
}

extension BackendSubject {
    public static var settings: BackendSettings { BackendSettings() }

    /// Whether what it holds survives its process: it is so if it needs a data directory.
    static var isDurable: Bool { kind.needsDirectory(settings) }
}

/// Why a backend does not conform: one sentence with what is needed to see it again.
public struct ConformanceFailure: Error, Sendable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}
