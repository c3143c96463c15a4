@testable import MartletRuntime
import Testing

@Suite struct ManifestTests {
    @Test("what is written is read back", arguments: [UInt64(0), 1, 0xffff_ffff_ffff_ffff])
    func roundTrip(number: UInt64) throws {
        var manifest = Manifest(backend: "rocks db", cluster: "größe: x", node: "n-1")
        manifest.incarnation = number
        manifest.epochDigest = ~number
        manifest.marks = ["clean": "1", "unsynced": "a: b: c", "other mark": "two words"]
        #expect(try Manifest(parsing: manifest.text, path: "M") == manifest)
    }

    @Test("the text is the same whatever the order marks were set in")
    func order() {
        var a = Manifest(backend: "b", cluster: "c", node: "n")
        var b = a
        for index in 0..<20 { a.marks["m\(index)"] = "v" }
        for index in (0..<20).reversed() { b.marks["m\(index)"] = "v" }
        #expect(a.text == b.text)
    }

    @Test("every cut of the text is refused or reads as no other data set")
    func cuts() throws {
        var manifest = Manifest(backend: "memory", cluster: "cluster", node: "node")
        manifest.incarnation = 0x1234_5678
        manifest.epochDigest = 0x9abc
        let bytes = Array(manifest.text.utf8)
        for count in 0..<bytes.count - 1 {
            let text = String(decoding: bytes.prefix(count), as: UTF8.self)
            guard let read = try? Manifest(parsing: text, path: "M") else { continue }
            #expect(read.incarnation == manifest.incarnation && read.node == manifest.node, "\(count) bytes")
        }
    }

    @Test(
        "what is not a manifest is refused with the path",
        arguments: [
            "", "\n\n", "format 1", "format: 1\nbackend: a\ncluster: b\nnode: c\nincarnation: zz\nepoch-digest: 0\n",
            "format: -\nbackend: a\ncluster: b\nnode: c\nincarnation: 0\nepoch-digest: 0\n", "\u{1}\u{7}: \u{0}\nx",
        ])
    func refused(text: String) {
        let error = #expect(throws: StorageError.self) { try Manifest(parsing: text, path: "/some/MANIFEST") }
        #expect(error?.code == .corrupted)
        #expect(error?.message.contains("/some/MANIFEST") == true)
        #expect(error?.message.unicodeScalars.contains { $0.value < 32 } == false)
    }
}
