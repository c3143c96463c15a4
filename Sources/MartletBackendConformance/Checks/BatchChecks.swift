internal import MartletRuntime

extension BackendCheck {
    static let batchChecks = [
        BackendCheck("the last operation on a key of a batch wins") { try Batches.order($0) },
        BackendCheck("an empty batch and the delete of no key change nothing") { try Batches.nothing($0) },
        BackendCheck("no reader sees a part of a batch") { try await Batches.whole($0) },
    ]
}

private enum Batches {
    static func order(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        let key: Bytes = [1]
        let other: Bytes = [2]
        var batch = WriteBatch()
        batch.put(key, [1])
        batch.delete(key)
        batch.put(key, [2])
        batch.put(other, [3])
        batch.delete(other)
        try open.backend.apply(batch, durability: open.strongest)
        var model = Model()
        model.put(key, [2])
        try model.expect(try open.backend.contents(), "put, delete, put; put, delete")
        try open.close()
    }

    static func nothing(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        try Model().expect(try open.backend.contents(), "a new data set")
        try open.backend.apply(WriteBatch(), durability: open.strongest)
        try open.backend.delete([9, 9], open.strongest)
        try Model().expect(try open.backend.contents(), "an empty batch and a delete of nothing")
        try open.backend.put([1], [], open.strongest)
        try open.backend.apply(WriteBatch(), durability: .none)
        try open.backend.sync()
        var model = Model()
        model.put([1], [])
        try model.expect(try open.backend.contents(), "one empty value")
        try open.close()
    }

    /// Batches that set all of sixteen keys to one number, and views on other threads that must see one number only.
    static func whole(_ context: CheckContext) async throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        let backend = open.backend
        let keys = (0..<16).map { index -> Bytes in [UInt8(index) &* 16, 0, 7] }
        let isDone = Flag()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    var views = 0
                    while !isDone.isSet || views == 0 {
                        let found = try backend.snapshot().pairs()
                        views += 1
                        await Task.yield()  // the pool may have no thread to spare
                        guard found.isEmpty || found.count == keys.count, Set(found.map(\.value)).count <= 1 else {
                            throw ConformanceFailure("a snapshot shows a part of a batch: \(found.map(\.value))")
                        }
                    }
                    return views
                }
            }
            defer { isDone.set() }
            for round in 0..<400 {
                var batch = WriteBatch()
                for key in keys { batch.put(key, Bytes("\(round)".utf8)) }
                try backend.apply(batch, durability: .none)
                if round % 10 == 9 { await Task.yield() }
            }
            isDone.set()
            for try await views in group where views == 0 { throw ConformanceFailure("no view was taken") }
        }
        try open.close()
    }
}

/// Set once, seen by other threads.
private final class Flag: Sendable {
    private let value = Lock(false)
    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}
