internal import MartletRuntime

extension BackendCheck {
    static let snapshotChecks = [
        BackendCheck("a snapshot stays as it was while writes go on") { try Snapshots.isolated($0) },
        BackendCheck("a scan sees nothing of batches applied while it runs") { try await Snapshots.scan($0) },
    ]
}

private enum Snapshots {
    static func isolated(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        var work = Workload(seed: context.seed)
        var model = Model()
        var kept: [(snapshot: any StorageSnapshot, model: Model)] = []
        for step in 0..<60 {
            var batch = WriteBatch()
            work.fill(&batch, &model, count: 20)
            try open.backend.apply(batch, durability: .none)
            if step % 10 == 0 { kept.append((try open.backend.snapshot(), model)) }
        }
        for (index, entry) in kept.enumerated() {
            try entry.model.expect(try entry.snapshot.pairs(), "snapshot \(index) of \(kept.count)")
            for key in work.keys.prefix(100) where try entry.snapshot.value(key) != entry.model.values[key] {
                throw ConformanceFailure("snapshot \(index): read of \(shown(key)) is not what it was")
            }
        }
        kept.removeAll()
        try model.expect(try open.backend.contents(), "at the end")
        try open.close()
    }

    /// Halfway through each scan, another thread replaces, deletes and adds keys ahead of it.
    static func scan(_ context: CheckContext) async throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        let backend = open.backend
        var model = Model()
        var batch = WriteBatch()
        for index in 0..<500 {
            let key = Bytes("key-\(index + 1000)".utf8)
            batch.put(key, [1])
            model.put(key, [1])
        }
        try backend.apply(batch, durability: .none)
        for round in 0..<4 {
            let snapshot = try backend.snapshot()
            let before = model
            var found = try snapshot.pairs(limit: 250)
            for index in stride(from: round, to: 600, by: 3) {
                let key = Bytes("key-\(index + 1000)".utf8)
                if index % 2 == 0 {
                    model.put(key, [UInt8(round), 2])
                } else {
                    model.delete(key)
                }
            }
            let after = model
            async let write: Void = Self.replace(backend, before: before, after: after)
            found += try snapshot.pairs(from: found[249].key + [0])
            try await write
            try before.expect(found, "round \(round): a scan")
            try before.expect(try snapshot.pairs(), "round \(round): the snapshot after the writes")
        }
        try model.expect(try backend.contents(), "at the end")
        try open.close()
    }

    @concurrent
    private static func replace(_ backend: any StorageBackend, before: Model, after: Model) async throws {
        for (key, value) in after.values where before.values[key] != value { try backend.put(key, value, .none) }
        for key in before.values.keys where after.values[key] == nil { try backend.delete(key, .none) }
    }
}
