internal import MartletRuntime

extension BackendCheck {
    static let checkpointChecks = [
        BackendCheck("a checkpoint opens and equals what it was taken of", needs: .durability) {
            try Checkpoints.equal($0)
        }
    ]
}

private enum Checkpoints {
    static func equal(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        var work = Workload(seed: context.seed)
        var model = Model()
        for _ in 0..<20 {
            var batch = WriteBatch()
            work.fill(&batch, &model, count: 20)
            try open.backend.apply(batch, durability: .none)
        }
        try open.backend.checkpoint(to: workspace["copy"])
        let taken = model
        for _ in 0..<5 {
            var batch = WriteBatch()
            work.fill(&batch, &model, count: 20)
            try open.backend.apply(batch, durability: .always)
        }
        let copy = try OpenBackend(context.subject, at: workspace["copy"])
        try taken.expect(try copy.backend.contents(), "the checkpoint")
        try copy.backend.put([1, 2, 3], [4], .always)
        try copy.close()
        try model.expect(try open.backend.contents(), "the original after writes to its copy")
        try expectRefusal(open, workspace)
        try open.close()
    }

    /// A checkpoint never overwrites: into a directory that holds something, it is refused.
    private static func expectRefusal(_ open: OpenBackend, _ workspace: Workspace) throws {
        do throws(StorageError) {
            try open.backend.checkpoint(to: workspace["copy"])
        } catch {
            return
        }
        throw ConformanceFailure("a checkpoint into a directory that holds another did not throw")
    }
}
