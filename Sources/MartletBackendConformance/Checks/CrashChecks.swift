internal import Glibc
internal import MartletRuntime
internal import Testing

extension BackendCheck {
    static let crashChecks = [
        BackendCheck("SIGKILL after an apply keeps a prefix with all acknowledged", needs: .durability) { context in
            try await CrashChecks.afterApplies(context)
        },
        BackendCheck("SIGKILL within a write keeps a prefix with all acknowledged", needs: .interposition) { context in
            try await CrashChecks.withinWrites(context)
        },
        BackendCheck("power loss at a sync keeps a prefix with all acknowledged", needs: .interposition) { context in
            try await CrashChecks.powerLoss(context)
        },
        BackendCheck("power loss under syncs that lie is seen by these checks", needs: .interposition) { context in
            try await CrashChecks.lies(context)
        },
    ]
}

enum CrashChecks {
    /// Power cuts a run, half of them on data sets that earlier cuts have aged.
    static let cuts = 50

    static func afterApplies(_ context: CheckContext) async throws {
        let data = try CrashedData(context.subject, seed: context.seed)
        for count in [1, 2, 3, 4, 5, 7, 9, 19, 20, 24] {
            var orders = data.orders(batches: count)
            orders.killAfter = count
            await killed(orders)
            try data.verify("SIGKILL after apply \(count)")
        }
    }

    /// Kills at forty writes, the first ten and others spread over all that a run of batches makes, an open and closes
    /// included.
    static func withinWrites(_ context: CheckContext) async throws {
        let rehearsal = try CrashedData(context.subject, seed: context.seed)
        var orders = rehearsal.orders(batches: 24)
        orders.watches = true
        orders.countFile = rehearsal.workspace["writes"]
        await killed(orders)
        guard let text = try SystemFile.read(orders.countFile), let total = Int(text), total > 24 else {
            throw ConformanceFailure("a run of 24 batches made no writes that could be counted")
        }
        var random = context.random
        let spread = (0..<30).map { 11 + $0 * (total - 10) / 30 + random.below(max(1, (total - 10) / 30)) }
        let points = Array(1...10) + spread  // the first ones make the data set
        for point in points {
            let data = try CrashedData(context.subject, seed: context.seed)
            var orders = data.orders(batches: 24)
            orders.watches = true
            orders.killAtWrite = point
            await killed(orders)
            try data.verify("SIGKILL within write \(point) of \(total)")
        }
    }

    static func powerLoss(_ context: CheckContext) async throws {
        var random = context.random
        var data = try CrashedData(context.subject, seed: random.next())
        for cut in 0..<cuts {
            if cut < cuts / 2 { data = try CrashedData(context.subject, seed: random.next()) }
            var orders = data.orders(batches: 400)
            orders.seed = data.seed
            orders.watches = true
            orders.cutAtSync = 1 + (cut < cuts / 2 ? cut : random.below(40))
            orders.writesAfter = random.below(2) == 0 ? 0 : 1 + random.below(12)
            await killed(orders)
            guard try data.acknowledged() < orders.firstBatch + orders.batches else {
                throw ConformanceFailure("cut \(cut): \(orders.batches) batches made no \(orders.cutAtSync) syncs")
            }
            try data.verify(
                "cut \(cut): power loss at sync \(orders.cutAtSync) and \(orders.writesAfter) writes, data \(data.seed)"
            )
        }
    }

    /// The same with syncs that keep nothing: if the checks above saw no loss here, they would prove nothing.
    static func lies(_ context: CheckContext) async throws {
        var random = context.random
        for round in 0..<6 {
            let data = try CrashedData(context.subject, seed: random.next())
            try data.write(5)
            var orders = data.orders(batches: 400)
            orders.watches = true
            orders.syncsLie = true
            orders.cutAtSync = 25 + random.below(20)
            await killed(orders)
            guard try data.acknowledged() > 5 else {
                throw ConformanceFailure("round \(round): nothing was acknowledged before the cut")
            }
            do {
                try data.verify("round \(round)")
            } catch {
                continue  // a loss, or a data set that is refused: seen
            }
            throw ConformanceFailure("round \(round): power was lost with nothing synced, and nothing was missing")
        }
    }

    private static func killed(_ orders: WriterOrders) async {
        await #expect(processExitsWith: .signal(SIGKILL)) { [orders = orders as WriterOrders] in
            try Writer.run(orders)
        }
    }
}
