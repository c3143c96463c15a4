import Glibc
import MartletRuntime
import Testing

@Suite struct SystemFileTests {
    @Test func absentIsNil() throws {
        let temporary = try TemporaryDirectory()
        #expect(try SystemFile.read(temporary["absent"]) == nil)
    }

    @Test("a text of any length comes back", arguments: [0, 1, 4095, 4096, 4097, 100_000])
    func replaced(length: Int) throws {
        let temporary = try TemporaryDirectory()
        let text = String(repeating: "x", count: length)
        try SystemFile.replace(temporary["file"], with: "what was there before, and longer than nothing")
        try SystemFile.replace(temporary["file"], with: text)
        #expect(try SystemFile.read(temporary["file"]) == text)
        #expect(permissions(temporary["file"]) == 0o600)
        #expect(try SystemFile.read(temporary["file.new"]) == nil)
    }

    @Test func failuresNameTheFile() throws {
        let temporary = try TemporaryDirectory()
        let error = #expect(throws: StorageError.self) { try SystemFile.replace(temporary["no/file"], with: "") }
        #expect(error?.code == .inputOutput)
        #expect(error?.message.contains(temporary["no/file"]) == true)
        #expect(code { _ = try SystemFile.read(temporary.path) } == .inputOutput)  // a directory
        #expect(code { try SystemFile.syncDirectory(of: temporary["no/file"]) } == .inputOutput)
    }

    @Test func aLinkIsNotFollowed() throws {
        let temporary = try TemporaryDirectory()
        try SystemFile.replace(temporary["target"], with: "theirs")
        #expect(symlink(temporary["target"], temporary["link"]) == 0)
        #expect(symlink(temporary["target"], temporary["file.new"]) == 0)
        #expect(code { _ = try SystemFile.read(temporary["link"]) } == .inputOutput)
        #expect(code { try SystemFile.replace(temporary["file"], with: "ours") } == .inputOutput)
        #expect(try SystemFile.read(temporary["target"]) == "theirs")
    }

    @Test func noSpaceIsItsOwnCode() {
        errno = ENOSPC
        #expect(SystemFile.failure("write", "f").code == .outOfSpace)
        errno = EDQUOT
        #expect(SystemFile.failure("write", "f").code == .outOfSpace)
        errno = EIO
        #expect(SystemFile.failure("write", "f").code == .inputOutput)
    }

    @Test func bytesBelowCountFilesOfAllDepths() throws {
        let temporary = try TemporaryDirectory()
        #expect(SystemFile.bytes(under: temporary.path) == 0)
        #expect(mkdir(temporary["sub"], 0o700) == 0)
        try SystemFile.replace(temporary["sub/file"], with: String(repeating: "x", count: 100_000))
        let bytes = SystemFile.bytes(under: temporary.path)
        #expect(bytes >= 100_000 && bytes < 200_000)
        #expect(symlink(temporary.path, temporary["sub/loop"]) == 0)
        #expect(SystemFile.bytes(under: temporary.path) == bytes)
        #expect(SystemFile.bytes(under: temporary["absent"]) == 0)
    }
}
