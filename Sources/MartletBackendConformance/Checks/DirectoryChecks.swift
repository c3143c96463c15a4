internal import Glibc
internal import MartletRuntime
internal import Testing

extension BackendCheck {
    static let directoryChecks = [
        BackendCheck("a directory of another cluster, node or backend is refused", needs: .durability) {
            try DirectoryChecks.manifest($0)
        },
        BackendCheck("a second open in this process is refused", needs: .durability) {
            try DirectoryChecks.secondOpen($0)
        },
        BackendCheck(
            "a second process is refused", needs: .durability
        ) { try await DirectoryChecks.process($0) },
    ]
}

enum DirectoryChecks {
    static func manifest(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        try open.backend.put([1], [2], .always)
        try open.close()
        let own = OpenBackend.manifest(of: context.subject)
        var others = [own, own, own, own]
        others[0].cluster = "another"
        others[1].node = "b"
        others[2].backend = "another"
        others[3].format += 1
        for other in others {
            try expectStorageError(.wrongManifest, "an open that expects \(other)") {
                _ = try OpenBackend(context.subject, at: workspace["data"], expecting: other)
            }
        }
        let again = try OpenBackend(context.subject, at: workspace["data"])
        var model = Model()
        model.put([1], [2])
        try model.expect(try again.backend.contents(), "after the refusals")
        try again.close()
    }

    static func secondOpen(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        try expectStorageError(.inUse, "a second open") {
            _ = try OpenBackend(context.subject, at: workspace["data"])
        }
        try expectStorageError(.inUse, "a second open by another path") {
            _ = try OpenBackend(context.subject, at: workspace["data"] + "/../data/.")
        }
        try open.backend.put([1], [2], .always)
        try open.close()
        try OpenBackend(context.subject, at: workspace["data"]).close()
    }

    static func process(_ context: CheckContext) async throws {
        let workspace = try Workspace()
        let path = workspace["data"]
        let open = try OpenBackend(context.subject, at: path)
        let name = try SubjectName.of(context.subject)
        await #expect(processExitsWith: .success) { [name = name as String, path = path as String] in
            try DirectoryChecks.expectRefusal(name, path)
        }
        try open.backend.put([1], [2], .always)
        try open.close()
    }

    static func expectRefusal(_ name: String, _ path: String) throws {
        let subject = try SubjectName.find(name)
        try expectStorageError(.inUse, "an open by another process") { _ = try OpenBackend(subject, at: path) }
    }
}

/// Fails unless `body` throws a storage error with this code.
func expectStorageError(_ code: StorageError.Code, _ what: String, _ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error as StorageError where error.code == code {
        return
    } catch {
        throw ConformanceFailure("\(what) threw '\(error)', not \(code)")
    }
    throw ConformanceFailure("\(what) did not throw \(code)")
}

/// A subject's type by a text that a child process can be given.
enum SubjectName {
    static func of(_ subject: any BackendSubject.Type) throws -> String {
        guard let name = _mangledTypeName(subject) else { throw ConformanceFailure("\(subject) has no name") }
        return name
    }

    static func find(_ name: String) throws -> any BackendSubject.Type {
        guard let type = _typeByName(name) as? any BackendSubject.Type else {
            throw ConformanceFailure("no type \(name) in this process")
        }
        return type
    }
}
