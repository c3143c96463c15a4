internal import MartletCore
internal import MartletRuntime

/// Reads a file's frames from front to back through a window of a mebibyte, or of one frame where that is more.
struct FrameReader: ~Copyable {
    private let file: any LogFile
    private let path: String
    private let generation: UInt64
    private let size: Int
    private var window: ByteBuffer
    /// Where the next frame begins.
    private(set) var offset = LogFormat.headerSize
    private var consumed = 0

    let header: LogFormat.Header

    /// - Throws: `corrupted` or `incompatible` if the header is not one of this kind, generation and version.
    init(
        _ file: any LogFile, kind: LogFormat.Kind, generation: UInt64, path: String
    ) throws(StorageError) {
        let size = try file.size()
        let bytes = try file.read(at: 0, count: LogFormat.headerSize)
        let header = try withBytes(of: bytes) { bytes throws(StorageError) in
            try LogFormat.header(bytes, of: kind, generation: generation, path: path)
        }
        self.file = file
        self.path = path
        self.generation = generation
        self.size = size
        self.header = header
        window = ByteBuffer(capacity: 1 << 20)
    }

    var isAtEnd: Bool { offset == size }

    /// Lends the next frame's payload, or answers nil where none is intact: at the end, or at damage.
    mutating func next(
        _ body: (LogFormat.Frame, RawSpan) throws(StorageError) -> Void
    ) throws(StorageError) -> LogFormat.Frame? {
        window.consume(consumed)
        consumed = 0
        guard size - offset >= LogFormat.frameHeaderSize else { return nil }
        guard try fill(LogFormat.frameHeaderSize) else { return nil }
        let frame = window.withBytes { LogFormat.frame($0, at: 0) }
        guard frame.length <= size - offset - LogFormat.frameHeaderSize, try fill(frame.size) else { return nil }
        guard window.withBytes({ LogFormat.isIntact(frame, $0, at: 0, generation: generation) }) else { return nil }
        try window.withBytes(LogFormat.frameHeaderSize..<frame.size) { payload throws(StorageError) in
            try body(frame, payload)
        }
        consumed = frame.size
        offset += frame.size
        return frame
    }

    /// Makes sure of `count` bytes in the window; false if the file is shorter than it was.
    private mutating func fill(_ count: Int) throws(StorageError) -> Bool {
        guard window.count < count else { return true }
        let at = offset + window.count
        let bytes = try file.read(at: at, count: min(max(count - window.count, 1 << 20), size - at))
        window.append(bytes)
        return window.count >= count
    }

    /// The first intact frame after the damage at ``offset`` which proves that the damaged bytes were on stable
    /// storage, or nil: then they are the tail of an interrupted write. Looks at up to a gibibyte. O(bytes).
    func proofOfSync(after sequence: UInt64) throws(StorageError) -> Int? {
        let rest = try file.read(at: offset, count: min(size - offset, 1 << 30))
        return withBytes(of: rest) { rest in
            var at = 1
            while at + LogFormat.frameHeaderSize <= rest.byteCount {
                let frame = LogFormat.frame(rest, at: at)
                if frame.length <= rest.byteCount - at - LogFormat.frameHeaderSize,
                    frame.sequence > sequence, frame.sequence - sequence <= UInt64(rest.byteCount),
                    frame.synced > UInt64(offset), frame.synced <= UInt64(offset + at),
                    LogFormat.isIntact(frame, rest, at: at, generation: generation)
                {
                    return offset + at
                }
                at += 1
            }
            return nil
        }
    }
}
