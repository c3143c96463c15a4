internal import Glibc
internal import MartletClient
internal import MartletRuntime

/// What a node says of its anti-entropy.
struct AntiEntropyFacts: Sendable {
    var pending: Int64
    var compared: Int64
    var exchanges: Int64
    var bytes: Int64
    var records: Int64

    init(_ status: Reply) {
        let facts = status["anti_entropy"] ?? .null
        pending = facts.number("pending")
        compared = facts.number("compared")
        exchanges = facts.number("exchanges")
        bytes = facts.number("bytes")
        records = facts.number("records_sent") + facts.number("records_received")
    }
}

/// Where a repair stands, over all nodes.
struct RepairProgress: Sendable, Equatable {
    /// Comparisons that were asked for, and those not yet made.
    var asked: Int64 = 0
    var pending: Int64 = 0
    var exchanges: Int64 = 0
    var bytes: Int64 = 0
    var records: Int64 = 0

    var done: Int64 { max(0, asked - pending) }

    /// `[#####.....]  50 % 384 of 768 comparisons, 2 exchanges, 12.3 KiB, 3 records`
    func line(width: Int) -> String {
        let share = asked > 0 ? Double(done) / Double(asked) : 1
        let full = Int(share * Double(width))
        let percent = String(Int(share * 100))
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "] "
            + String(repeating: " ", count: 3 - percent.count) + percent + " % " + text
    }

    var text: String {
        "\(done) of \(asked) comparisons, \(exchanges) exchanges, \(Figures.size(Double(bytes))), \(records) records"
    }
}

extension ClusterInquiry {
    /// Has all nodes compare what they hold, and exchange what differs, now; then proves that owners hold the same.
    ///
    /// - Parameter tell: hears how far it is, every quarter of a second.
    func repair(partition: Int?, _ tell: (RepairProgress) -> Void) async throws(MartletError) -> ClusterReport {
        let members = try await ask(address) { client throws(MartletError) -> [MemberFacts] in
            try await self.members(client)
        }
        let status = ["MARTLET.CLUSTER", "STATUS"]
        let before = await answers(of: members, to: status) { AntiEntropyFacts($0) }
        let words = ["MARTLET.CLUSTER", "REPAIR", String(keyspace)] + (partition.map { [String($0)] } ?? [])
        let begun = await answers(of: members, to: words) { $0.number("comparisons") }
        var progress = RepairProgress()
        for member in members {
            switch begun[member.name] {
            case .success(let count)?: progress.asked += count
            case .failure(let error)? where error.code == .refused: throw error
            default: break  // what it does not answer is told by the proof below
            }
        }
        progress.pending = progress.asked
        var (last, idle) = (progress, 0)
        while idle < 40 {
            tell(progress)
            try? await Task.sleep(for: .milliseconds(250))
            let now = await answers(of: members, to: status) { AntiEntropyFacts($0) }
            progress = RepairProgress(asked: progress.asked)
            for member in members {
                guard let facts = try? now[member.name]?.get(), let former = try? before[member.name]?.get() else {
                    continue
                }
                progress.pending += facts.pending
                progress.exchanges += facts.exchanges - former.exchanges
                progress.bytes += facts.bytes - former.bytes
                progress.records += facts.records - former.records
            }
            guard progress.pending > 0 else { break }
            idle = progress == last ? idle + 1 : 0
            last = progress
        }
        tell(progress)
        var report = try await verify(partition: partition)
        if progress.pending > 0 {
            report.add(
                fault: "\(progress.pending) comparisons wait for nodes that cannot be reached or are catching up")
        }
        return report
    }

    /// Compares what the owners of each partition hold, a few times: what is being written differs for a moment.
    func verify(partition: Int? = nil) async throws(MartletError) -> ClusterReport {
        var digests = try await digests()
        digests.only = partition
        var differing = Set(digests.differing)
        for _ in 0..<8 where !differing.isEmpty {
            try? await Task.sleep(for: .milliseconds(500))
            digests = try await self.digests()
            digests.only = partition
            differing.formIntersection(digests.differing)
        }
        digests.stayed = differing
        return digests.report
    }
}

/// Draws progress: over itself on a terminal, in lines, now and then, elsewhere.
struct ProgressBar {
    private let isTerminal = isatty(1) == 1
    private var last = ""
    private var silent = 0

    mutating func show(_ progress: RepairProgress) {
        let line = progress.line(width: 30)
        guard line != last else { return }
        if isTerminal {
            Terminal.bytes(Array(("\r\u{1b}[K" + line).utf8))
        } else {
            // Every two seconds at most.
            silent += 1
            guard last.isEmpty || silent >= 8 || progress.pending == 0 else { return }
            silent = 0
            Terminal.line(progress.text)
        }
        last = line
    }

    func end() { if isTerminal, !last.isEmpty { Terminal.line("") } }
}
