import Glibc
import MartletRuntime
import Testing

@Suite struct DataDirectoryTests {
    private static let own = Manifest(backend: "memory", cluster: "one", node: "a")

    @Test func isCreatedWithItsParentsAndClosedToOthers() throws {
        let temporary = try TemporaryDirectory()
        let path = temporary["deep/er/data"]
        let directory = try DataDirectory(at: path, expecting: Self.own)
        #expect(directory.isNew)
        #expect(permissions(path) == 0o700)
        #expect(permissions(path + "/MANIFEST") == 0o600)
        #expect(permissions(path + "/LOCK") == 0o600)
        #expect(directory.manifest == Self.own)
        #expect(directory.bytesOnDisk > 0)
    }

    @Test func oneOpenAtATime() throws {
        let temporary = try TemporaryDirectory()
        let path = temporary["data"]
        let directory = try DataDirectory(at: path, expecting: Self.own)
        #expect(code { _ = try DataDirectory(at: path, expecting: Self.own) } == .inUse)
        #expect(code { _ = try DataDirectory(at: path + "/../data/", expecting: Self.own) } == .inUse)
        #expect(symlink(path, temporary["alias"]) == 0)
        #expect(code { _ = try DataDirectory(at: temporary["alias"], expecting: Self.own) } == .inUse)
        directory.close()
        directory.close()
        let again = try DataDirectory(at: path, expecting: Self.own)
        #expect(!again.isNew)
        again.close()
    }

    @Test func theLastReferenceReleasesIt() throws {
        let temporary = try TemporaryDirectory()
        do { _ = try DataDirectory(at: temporary["data"], expecting: Self.own) }
        #expect(code { _ = try DataDirectory(at: temporary["data"], expecting: Self.own) } == nil)
    }

    @Test func anotherProcessIsRefusedAndTold() async throws {
        let temporary = try TemporaryDirectory()
        let directory = try DataDirectory(at: temporary["data"], expecting: Self.own)
        await #expect(processExitsWith: .success) {
            [path = temporary["data"] as String, owner = Int(getpid()) as Int] in
            do throws(StorageError) {
                _ = try DataDirectory(at: path, expecting: Manifest(backend: "memory", cluster: "one", node: "a"))
                exit(1)
            } catch {
                guard error.code == .inUse, error.message.contains("process \(owner)") else { exit(2) }
            }
        }
        directory.close()
    }

    @Test func aKilledProcessLeavesNoLock() async throws {
        let temporary = try TemporaryDirectory()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = temporary["data"] as String] in
            let kept = try DataDirectory(at: path, expecting: Manifest(backend: "memory", cluster: "one", node: "a"))
            _ = withExtendedLifetime(kept) { raise(SIGKILL) }
        }
        let directory = try DataDirectory(at: temporary["data"], expecting: Self.own)
        #expect(!directory.isNew)
    }

    @Test(arguments: ["backend", "cluster", "node", "format"])
    func anotherManifestIsRefusedWithTheWayOut(field: String) throws {
        let temporary = try TemporaryDirectory()
        try DataDirectory(at: temporary["data"], expecting: Self.own).close()
        var other = Self.own
        switch field {
        case "backend": other.backend = "lmdb"
        case "cluster": other.cluster = "two"
        case "node": other.node = "b"
        default: other.format = 2
        }
        let error = #expect(throws: StorageError.self) { try DataDirectory(at: temporary["data"], expecting: other) }
        #expect(error?.code == .wrongManifest)
        #expect(error?.message.contains(field) == true)
        #expect(error?.message.contains("mv \(temporary["data"])") == true)
        try DataDirectory(at: temporary["data"], expecting: Self.own).close()  // a refusal holds no lock
    }

    @Test func aDamagedManifestIsCorruptedAndReleasesTheLock() throws {
        let temporary = try TemporaryDirectory()
        try DataDirectory(at: temporary["data"], expecting: Self.own).close()
        for text in ["", "format: 1\n", "no colon at all\n", "format: x\nbackend: memory\ncluster: one\nnode: a\n"] {
            try SystemFile.replace(temporary["data/MANIFEST"], with: text)
            #expect(code { _ = try DataDirectory(at: temporary["data"], expecting: Self.own) } == .corrupted, "\(text)")
        }
    }

    @Test func anUpdateIsThereAfterAReopen() throws {
        let temporary = try TemporaryDirectory()
        let directory = try DataDirectory(at: temporary["data"], expecting: Self.own)
        try directory.update {
            $0.incarnation = 0xdead_beef_0123_4567
            $0.marks["clean"] = "yes"
        }
        try directory.update { $0.marks["unsynced"] = "boot: 12: x" }
        try directory.update { $0.marks["clean"] = nil }
        directory.close()
        let again = try DataDirectory(at: temporary["data"], expecting: Self.own)
        #expect(again.manifest.incarnation == 0xdead_beef_0123_4567)
        #expect(again.manifest.marks == ["unsynced": "boot: 12: x"])
        again.close()
        #expect(code { try again.update { $0.incarnation = 1 } } == .closed)
    }

    @Test func aPathThatIsAFileIsRefused() throws {
        let temporary = try TemporaryDirectory()
        try SystemFile.replace(temporary["file"], with: "text")
        #expect(code { _ = try DataDirectory(at: temporary["file"], expecting: Self.own) } == .inputOutput)
        #expect(code { _ = try DataDirectory(at: temporary["file/below"], expecting: Self.own) } == .inputOutput)
    }

    @Test func theBootIsNamed() {
        #expect(DataDirectory.bootIdentifier == DataDirectory.bootIdentifier)
        #expect(DataDirectory.bootIdentifier.count >= 7)
    }
}
