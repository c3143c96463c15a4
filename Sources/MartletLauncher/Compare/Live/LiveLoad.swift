internal import MartletClient
internal import MartletIO
internal import MartletRuntime

/// A small load on all nodes of a cluster: reads and writes in turn, at a steady rate; each node coordinates its share.
struct LiveLoad: Sendable {
    static let keys = 1000
    static let valueBytes = 100
    private static let callersPerNode = 4

    var addresses: [String]
    var requestsPerSecond: Double
    var seconds: Double

    /// How it went, as the clients saw it.
    struct Outcome: Sendable {
        var reads = LatencyHistogram()
        var writes = LatencyHistogram()
        var errors = 0
        var firstError: String?

        mutating func merge(_ other: Outcome) {
            reads.merge(other.reads)
            writes.merge(other.writes)
            errors += other.errors
            firstError = firstError ?? other.firstError
        }
    }

    static func key(_ number: Int) -> String { "martlet:compare-live:\(number % keys)" }

    /// Runs it to its end.
    func run() async -> Outcome {
        await withTaskGroup(of: Outcome.self) { group in
            for (node, address) in addresses.enumerated() {
                for caller in 0..<Self.callersPerNode {
                    group.addTask { await call(address, node * Self.callersPerNode + caller) }
                }
            }
            var outcome = Outcome()
            for await part in group { outcome.merge(part) }
            return outcome
        }
    }

    /// One caller's share: the next request when it is due, and not before the last was answered.
    private func call(_ address: String, _ caller: Int) async -> Outcome {
        var outcome = Outcome()
        do throws(MartletError) {
            let client = try await MartletClient.connect(to: [address])
            await call(client, caller, &outcome)
            await client.close()
        } catch {
            outcome.errors += 1
            outcome.firstError = "\(address): \(error.message)"
        }
        return outcome
    }

    private func call(_ client: MartletClient, _ caller: Int, _ outcome: inout Outcome) async {
        let clock = SystemClock()
        let began = clock.monotonic
        let callers = Double(addresses.count * Self.callersPerNode)
        let interval = callers / max(1, requestsPerSecond)
        var due = interval * Double(caller) / callers
        var number = caller * 131
        let value = String(repeating: "0123456789", count: Self.valueBytes / 10)
        while due < seconds, !Interruption.isRequested {
            let now = Double(clock.monotonic.since(began).inNanoseconds) / 1e9
            if due > now { try? await Task.sleep(for: .seconds(due - now)) }
            let isWrite = number % 2 == 0
            let words = isWrite ? ["SET", Self.key(number / 2), value] : ["GET", Self.key(number / 2)]
            let start = clock.monotonic
            do throws(MartletError) {
                _ = try await client.call(words)
                let took = UInt64(clamping: clock.monotonic.since(start).inNanoseconds)
                if isWrite { outcome.writes.record(took) } else { outcome.reads.record(took) }
            } catch {
                outcome.errors += 1
                outcome.firstError = outcome.firstError ?? error.message
            }
            number += 1
            due += interval
        }
    }

    /// Deletes what was written; what cannot be deleted stays.
    func cleanUp() async {
        for address in addresses {
            guard let client = try? await MartletClient.connect(to: [address]) else { continue }
            var isDone = true
            for first in stride(from: 0, to: Self.keys, by: 100) {
                let keys = (first..<first + 100).map { Self.key($0) }
                isDone = (try? await client.call(["DEL"] + keys)) != nil && isDone
            }
            await client.close()
            if isDone { return }
        }
    }
}
