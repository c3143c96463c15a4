internal import MartletRuntime

extension BackendCheck {
    static let contentChecks = [
        BackendCheck("random operations leave what a dictionary holds") { try Contents.random($0) },
        BackendCheck("a reader sees every batch applied before its turn") { try Contents.turns($0) },
    ]
}

private enum Contents {
    /// Random batches, reads, scans, snapshots and, where contents survive it, reopening; compared with a model.
    static func random(_ context: CheckContext) throws {
        let workspace = try Workspace()
        var work = Workload(seed: context.seed)
        var model = Model()
        var open = try OpenBackend(context.subject, at: workspace["data"])
        var reader: (any StorageReader)? = try open.backend.makeReader()
        var frozen: [(snapshot: any StorageSnapshot, model: Model)] = []
        var batch = WriteBatch()
        for step in 0..<300 {
            batch.removeAll()
            work.fill(&batch, &model, count: 1 + work.random.below(12))
            let levels = Durability.allCases.filter { $0 <= open.strongest }
            try open.backend.apply(batch, durability: levels[work.random.below(levels.count)])
            reader?.refresh()
            let keys = (0..<8).map { _ in work.key() }
            let others = (0..<work.random.below(30)).map { _ in work.key() }
            reader?.touch(keys.prefix(work.random.below(9)) + others)
            for key in keys {
                guard let found = try reader?.value(key), found == model.values[key] else {
                    if model.values[key] == nil, try reader?.value(key) == nil { continue }
                    throw ConformanceFailure("step \(step): read of \(shown(key)) is not \(shown(model.values[key]))")
                }
            }
            try scanSome(open.backend, &work, model, "step \(step)")
            if work.random.below(30) == 0 { frozen.append((try open.backend.snapshot(), model)) }
            if frozen.count > 3 || (!frozen.isEmpty && work.random.below(40) == 0) {
                let oldest = frozen.removeFirst()
                try oldest.model.expect(try oldest.snapshot.pairs(), "step \(step): a snapshot")
            }
            if context.subject.isDurable, work.random.below(50) == 0 {
                frozen.removeAll()
                reader = nil
                try open.close()
                open = try OpenBackend(context.subject, at: workspace["data"])
                reader = try open.backend.makeReader()
                try model.expect(try open.backend.contents(), "step \(step): reopened")
            }
        }
        try model.expect(try open.backend.contents(), "at the end")
        frozen.removeAll()
        reader = nil
        try open.close()
    }

    private static func scanSome(
        _ backend: any StorageBackend, _ work: inout Workload, _ model: Model, _ what: String
    ) throws {
        guard work.random.below(6) == 0 else { return }
        let lower = work.random.below(3) == 0 ? [] : work.key()
        let upper = work.random.below(3) == 0 ? [] : work.key()
        let limit = work.random.below(2) == 0 ? .max : 1 + work.random.below(40)
        let found = try backend.snapshot().pairs(from: lower, to: upper, limit: limit)
        let scan = "\(what): scan from \(shown(lower)) to \(shown(upper)), limit \(limit)"
        try model.expect(found, scan, from: lower, to: upper, limit: limit)
    }

    /// The promise of `refresh`: each turn begins with everything applied before it, whatever was read earlier.
    static func turns(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        var readers = [try open.backend.makeReader(), try open.backend.makeReader()]
        let key: Bytes = Array("turn".utf8)
        for turn in 0..<200 {
            let value: Bytes? = turn % 7 == 6 ? nil : Bytes("value \(turn)".utf8)
            if let value {
                try open.backend.put(key, value, .none)
            } else {
                try open.backend.delete(key, .none)
            }
            for reader in readers {
                reader.refresh()
                guard try reader.value(key) == value else {
                    throw ConformanceFailure("turn \(turn): a reader does not see the batch before its turn")
                }
            }
        }
        readers.removeAll()
        try open.close()
    }
}
