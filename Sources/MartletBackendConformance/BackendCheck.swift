internal import CPowerLoss
internal import MartletRuntime

/// One promise of the storage contract, checked on a backend. Each works in a directory of its own, so they run at
/// once.
///
/// A check throws ``ConformanceFailure`` where the backend breaks the contract, and the seed of its random choices with
/// it; the environment variable `MARTLET_SEED` repeats them. Crashes happen in exit tests of Swift Testing, so a check
/// runs inside a test.
public struct BackendCheck: Sendable, CustomStringConvertible {
    /// What a check needs of a backend beside the contract of every one.
    enum Need: Sendable {
        case nothing
        case durability
        /// Durability, and a build in which calls to the system can be interposed.
        case interposition
    }

    /// The promise in a few words.
    public let description: String
    let need: Need
    let body: @Sendable (CheckContext) async throws -> Void

    init(
        _ description: String, needs need: Need = .nothing,
        _ body: @escaping @Sendable (CheckContext) async throws -> Void
    ) {
        self.description = description
        self.need = need
        self.body = body
    }

    /// Every check, cheap ones first.
    public static let all: [BackendCheck] =
        contentChecks + batchChecks + scanChecks + snapshotChecks + sizeChecks + reopenChecks + directoryChecks
        + checkpointChecks + failureChecks + crashChecks

    /// The checks that mean something for a backend: those of what survives a process only for one that keeps files.
    public static func applicable(to subject: any BackendSubject.Type) -> [BackendCheck] {
        all.filter { check in
            switch check.need {
            case .nothing: true
            case .durability: subject.isDurable
            case .interposition: subject.isDurable && power_loss_available() != 0
            }
        }
    }

    /// Runs the check on fresh data sets of the subject. From milliseconds to about a minute.
    public func run(on subject: any BackendSubject.Type) async throws {
        let context = CheckContext(subject: subject, seed: CheckSeed.next())
        do {
            try await body(context)
        } catch {
            throw ConformanceFailure("\(subject.kind.name): \(description): \(error) (MARTLET_SEED=\(context.seed))")
        }
    }
}

/// What a check works with.
struct CheckContext: Sendable {
    var subject: any BackendSubject.Type
    var seed: UInt64

    var random: SeededGenerator { SeededGenerator(seed: seed) }
}
