internal import MartletRuntime

extension BackendCheck {
    static let sizeChecks = [
        BackendCheck("keys of every length up to 16 bytes and 1 KiB") { try Sizes.keys($0) },
        BackendCheck("values of every kind of length up to 64 MiB and more") { try Sizes.values($0) },
    ]
}

private enum Sizes {
    static func keys(_ context: CheckContext) throws {
        let workspace = try Workspace()
        let open = try OpenBackend(context.subject, at: workspace["data"])
        var random = context.random
        var model = Model()
        let stem = random.bytes(1040)
        for length in Array(1...40) + Array(stride(from: 41, through: 1040, by: 9)) + [509, 510, 511, 512, 513, 1040] {
            let key = Bytes(stem.prefix(length))
            let value = random.bytes(length % 5)
            try open.backend.put(key, value, .none)
            model.put(key, value)
            var sibling = key  // the same length, different in its last byte alone
            sibling[length - 1] ^= 1
            try open.backend.put(sibling, [0x73], .none)
            model.put(sibling, [0x73])
        }
        try model.expect(try open.backend.contents(), "prefixes of one key")
        for (key, value) in model.values {
            let reader = try open.backend.makeReader()
            guard try reader.value(key) == value else {
                throw ConformanceFailure("a key of \(key.count) bytes is not found")
            }
        }
        for key in model.values.keys where key.count % 2 == 0 {
            try open.backend.delete(key, .none)
            model.delete(key)
        }
        try model.expect(try open.backend.contents(), "half of the keys deleted")
        try open.close()
    }

    static func values(_ context: CheckContext) throws {
        let workspace = try Workspace()
        var open = try OpenBackend(context.subject, at: workspace["data"])
        let megabyte = 1 << 20
        var model = Model()
        for length in [0, 1, 255, 2000, 4079, 4096, 10_240, 65_536, megabyte, 16 * megabyte + 1, 64 * megabyte + 4096] {
            let key = Bytes("value of \(length)".utf8)
            let value = Self.value(length, UInt8(truncatingIfNeeded: length / 7))
            try open.backend.put(key, value, open.strongest)
            model.put(key, value)
        }
        try model.expect(try open.backend.contents(), "large values")
        if context.subject.isDurable {
            try open.close()
            open = try OpenBackend(context.subject, at: workspace["data"])
            try model.expect(try open.backend.contents(), "large values, reopened")
        }
        for key in model.values.keys {
            let value = Self.value(3, 9)
            try open.backend.put(key, value, open.strongest)
            model.put(key, value)
        }
        try model.expect(try open.backend.contents(), "large values replaced by small ones")
        try open.close()
    }

    /// A value whose every 8 KiB differ; cheap to make even where nothing is optimised.
    private static func value(_ length: Int, _ salt: UInt8) -> Bytes {
        var bytes = Bytes(repeating: salt, count: length)
        for (index, offset) in stride(from: 0, to: length, by: 8192).enumerated() {
            bytes[offset] = UInt8(truncatingIfNeeded: index &* 31)
        }
        return bytes
    }
}
