internal import MartletRuntime

extension BackendCheck {
    static let scanChecks = [
        BackendCheck("scans ascend by unsigned bytes between their bounds") { try Scans.bounds($0) },
        BackendCheck("a scan resumes after its limit without a gap") { try Scans.resume($0) },
    ]
}

private enum Scans {
    static func bounds(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        let keys: [Bytes] = [[0], [0, 0], [0, 255], [1], [127], [127, 255], [128], [128, 0], [255], [255, 255]]
        var model = Model()
        var batch = WriteBatch()
        for key in keys.reversed() {
            batch.put(key, key + [7])
            model.put(key, key + [7])
        }
        try open.backend.apply(batch, durability: open.strongest)
        let snapshot = try open.backend.snapshot()
        let between: [Bytes] = [[], [0, 1], [64], [127, 0], [200], [255, 255, 0]]
        for lower in keys + between {
            for upper in keys + between {
                for limit in [1, 3, Int.max] {
                    let found = try snapshot.pairs(from: lower, to: upper, limit: limit)
                    let what = "scan from \(shown(lower)) to \(shown(upper)), limit \(limit)"
                    try model.expect(found, what, from: lower, to: upper, limit: limit)
                }
            }
        }

    }

    static func resume(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        var work = Workload(seed: context.seed, keys: 700)
        var model = Model()
        var batch = WriteBatch()
        for key in work.keys {
            let value = work.random.bytes(work.random.below(50))
            batch.put(key, value)
            model.put(key, value)
        }
        try open.backend.apply(batch, durability: open.strongest)
        let snapshot = try open.backend.snapshot()
        var found: [Pair] = []
        var next: Bytes = []
        while true {
            let page = try snapshot.pairs(from: next, limit: 1 + work.random.below(20))
            guard let last = page.last else { break }
            found += page
            next = last.key + [0]  // the least key after it
        }
        try model.expect(found, "pages")

    }

}
