internal import MartletRuntime

extension BackendCheck {
    static let reopenChecks = [
        BackendCheck("contents and deletes survive an orderly close", needs: .durability) { try Reopening.orderly($0) },
        BackendCheck("what was written at each level is there after a close", needs: .durability) {
            try Reopening.levels($0)
        },
        BackendCheck("a closed backend refuses, and closes once") { try Reopening.closed($0) },
    ]
}

private enum Reopening {
    static func orderly(_ context: CheckContext) throws {
        let workspace = try Workspace()
        var work = Workload(seed: context.seed)
        var model = Model()
        for round in 0..<6 {
            let open = try OpenBackend(context.subject, at: workspace["data"])
            try model.expect(try open.backend.contents(), "opened \(round) times")
            var batch = WriteBatch()
            work.fill(&batch, &model, count: 150)
            for key in work.keys.dropFirst(round).prefix(60) {  // deletes of the newest and of the oldest
                batch.delete(key)
                model.delete(key)
            }
            try open.backend.apply(batch, durability: .always)
            try open.close()
        }
        let open = try OpenBackend(context.subject, at: workspace["data"])
        try model.expect(try open.backend.contents(), "at the end")
        try open.close()
    }

    static func levels(_ context: CheckContext) throws {
        for durability in Durability.allCases {
            let workspace = try Workspace()
            var work = Workload(seed: context.seed)
            var model = Model()
            for round in 0..<3 {
                let open = try OpenBackend(context.subject, at: workspace["data"], durability: durability)
                try model.expect(try open.backend.contents(), "durability \(durability.name), opened \(round) times")
                for _ in 0..<10 {
                    var batch = WriteBatch()
                    work.fill(&batch, &model, count: 10)
                    try open.backend.apply(batch, durability: durability)
                }
                if durability == .interval { try open.backend.sync() }
                try open.close()
            }
        }
    }

    static func closed(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        try open.backend.put([1], [2], open.strongest)
        let backend = open.backend
        try open.close()
        let calls: [(String, @Sendable (any StorageBackend) throws -> Void)] = [
            ("a write", { try $0.put([1], [3], .none) }),
            ("a snapshot", { _ = try $0.snapshot() }),
            ("a read", { _ = try $0.makeReader().value([1]) }),
        ]
        for (what, call) in calls {
            do {
                try call(backend)
            } catch let error as StorageError where error.code == .closed {
                continue
            }
            throw ConformanceFailure("\(what) after close did not throw closed")
        }
    }
}
