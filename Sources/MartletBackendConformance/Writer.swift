internal import CPowerLoss
internal import Glibc
internal import MartletRuntime

/// The batches that a child process writes until it is killed; the same for the same seed, so that its parent knows
/// the contents after any number of them. Each batch also puts its number under one key.
struct Script: Sendable {
    let seed: UInt64
    static let counter: Bytes = [0xfe, 0x63]

    /// Fills `batch` with batch `index` and does the same to the model.
    func fill(_ batch: inout WriteBatch, _ model: inout Model, _ index: Int) {
        var random = SeededGenerator(seed: seed &+ UInt64(index) &* 0x9e37_79b9)
        for _ in 0..<1 + random.below(6) {
            let key = [1, 0, 0, UInt8(random.below(90))] + Bytes(repeating: 0x6b, count: random.below(2) * 600)
            if random.below(3) == 0 {
                batch.delete(key)
                model.delete(key)
            } else {
                let pattern = random.bytes(16)
                let length = random.below(8) == 0 ? random.below(12_000) : random.below(200)
                var value = Bytes(repeating: pattern[0], count: length)
                for offset in stride(from: 0, to: length, by: 97) { value[offset] = pattern[offset % 16] }
                batch.put(key, value)
                model.put(key, value)
            }
        }
        let number = Bytes("\(index)".utf8)
        batch.put(Self.counter, number)
        model.put(Self.counter, number)
    }
}

/// What a child process is to do; handed to it as text.
struct WriterOrders: Sendable, Codable {
    var subject: String
    var directory: String
    /// Outside the directory: eight bytes for each batch that was applied durably, in order.
    var acknowledgements: String
    var seed: UInt64
    var firstBatch: Int
    var batches: Int
    /// SIGKILL after so many batches; 0: not.
    var killAfter = 0
    var cutAtSync = 0
    var writesAfter = 0
    var killAtWrite = 0
    var syncsLie = false
    /// Whether to watch the directory, so that the plan above applies and writes are counted.
    var watches = false
    /// Where to leave the number of writes, if it ends in order.
    var countFile = ""
}

/// The child: applies batches and acknowledges each, until it is killed; at the end it kills itself.
enum Writer {
    static func run(_ orders: WriterOrders) throws {
        let subject = try SubjectName.find(orders.subject)
        if orders.watches {
            let plan = power_loss_plan(
                seed: orders.seed, cut_at_sync: Int64(orders.cutAtSync), writes_after: Int64(orders.writesAfter),
                cut_at_write: 0, kill_at_write: Int64(orders.killAtWrite), syncs_lie: orders.syncsLie ? 1 : 0)
            let status = unsafe power_loss_begin(orders.directory, plan)
            guard status == 0 else { throw ConformanceFailure("cannot watch \(orders.directory): errno \(status)") }
        }
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
        let descriptor = unsafe Glibc.open(orders.acknowledgements, flags, 0o600)
        guard descriptor >= 0 else { throw ConformanceFailure("cannot write \(orders.acknowledgements)") }
        let script = Script(seed: orders.seed)
        var model = Model()
        var open = try OpenBackend(subject, at: orders.directory)
        for index in orders.firstBatch..<orders.firstBatch + orders.batches {
            if index % 20 == 19 {  // so that some crashes hit a close or an open
                try open.close()
                open = try OpenBackend(subject, at: orders.directory)
            }
            var batch = WriteBatch()
            script.fill(&batch, &model, index)
            let durability: Durability = index % 4 == 3 ? .none : .always
            try open.backend.apply(batch, durability: durability)
            if durability == .always { try acknowledge(index, descriptor) }
            if index - orders.firstBatch + 1 == orders.killAfter { raise(SIGKILL) }
        }
        try open.close()
        if !orders.countFile.isEmpty { try SystemFile.replace(orders.countFile, with: "\(power_loss_writes())") }
        raise(SIGKILL)
    }

    private static func acknowledge(_ index: Int, _ descriptor: Int32) throws {
        var bytes = UInt64(index)
        guard unsafe write(descriptor, &bytes, 8) == 8 else { throw ConformanceFailure("cannot acknowledge") }
    }
}

/// A data set that children write and crash on, and what is known of it.
final class CrashedData {
    let subject: any BackendSubject.Type
    let workspace: Workspace
    let seed: UInt64
    private(set) var batches = 0
    private var model = Model()
    let name: String

    init(_ subject: any BackendSubject.Type, seed: UInt64) throws {
        self.subject = subject
        self.seed = seed
        workspace = try Workspace()
        name = try SubjectName.of(subject)
        guard unsafe mkdir(workspace["data"], 0o700) == 0 else { throw ConformanceFailure("cannot make a directory") }
    }

    func orders(batches: Int) -> WriterOrders {
        WriterOrders(
            subject: name, directory: workspace["data"], acknowledgements: workspace["acknowledged"], seed: seed,
            firstBatch: self.batches, batches: batches)
    }

    /// Batches that were acknowledged as durable: the newest one's number + 1, and so all before it.
    func acknowledged() throws -> Int {
        let descriptor = unsafe Glibc.open(workspace["acknowledged"], O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { Glibc.close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        guard size >= 8 else { return 0 }
        var newest: UInt64 = 0
        guard unsafe pread(descriptor, &newest, 8, size / 8 * 8 - 8) == 8 else {
            throw ConformanceFailure("cannot read what was acknowledged")
        }
        return Int(newest) + 1
    }

    /// Writes batches in this process, in order, and closes.
    func write(_ count: Int) throws {
        let open = try OpenBackend(subject, at: workspace["data"])
        for _ in 0..<count { try applyNext(open) }
        try open.close()
    }

    private func applyNext(_ open: OpenBackend) throws {
        var batch = WriteBatch()
        Script(seed: seed).fill(&batch, &model, batches)
        try open.backend.apply(batch, durability: .always)
        batches += 1
    }

    /// Opens what a crash left: the contents must be those after some number of batches, none acknowledged missing.
    /// Then writes one more, to show that the data set serves again.
    func verify(_ what: String) throws {
        let open = try OpenBackend(subject, at: workspace["data"])
        let found = try open.backend.contents()
        let counter = found.first { $0.key == Script.counter }.flatMap {
            Int(String(decoding: $0.value, as: UTF8.self))
        }
        let recovered = counter.map { $0 + 1 } ?? 0
        let acknowledged = try acknowledged()
        guard recovered >= max(acknowledged, batches) else {
            throw ConformanceFailure(
                "\(what): \(acknowledged) batches were acknowledged and \(recovered) of them are there")
        }
        var batch = WriteBatch()
        while batches < recovered {
            batch.removeAll()
            Script(seed: seed).fill(&batch, &model, batches)
            batches += 1
        }
        try model.expect(found, "\(what): contents after \(recovered) batches")
        try applyNext(open)
        try open.close()
        let again = try OpenBackend(subject, at: workspace["data"])
        try model.expect(try again.backend.contents(), "\(what): reopened a second time")
        try again.close()
    }
}
