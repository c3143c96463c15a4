internal import MartletClient

/// What each owner of a key holds, for a person.
struct KeyExplanation {
    private let reply: Reply
    private let key: String
    private let status: NodeStatus
    private var owners: [Reply] { reply["owners"]?.elements ?? [] }

    init(_ reply: Reply, key: String, in status: NodeStatus) {
        self.reply = reply
        self.key = key
        self.status = status
    }

    var report: ClusterReport {
        let answering = owners.filter { $0["level"] != nil }
        let holding = answering.filter { ["record", "tombstone"].contains($0.text("holds")) }
        let records = holding.filter { $0.text("holds") == "record" }
        var code = ExitCode.ok
        if !faults.isEmpty { code = ExitCode.failed }
        if answering.isEmpty { code = ExitCode.quorumNotMet }
        if !answering.isEmpty, records.isEmpty { code = ExitCode.notFound }
        let well: String? =
            records.isEmpty
            ? (holding.isEmpty ? "no owner holds it" : "it was deleted: all owners hold the tombstone")
            : owners.count == 1 ? "its one owner holds it" : "all \(owners.count) owners hold the same record"
        return ClusterReport(
            title: "key '\(key)': slot \(reply.number("slot")), partition \(reply.number("partition")) of keyspace "
                + "\(reply.text("keyspace")); asked at \(reply.text("asked"))",
            faults: faults, well: well, code: code, [rows])
    }

    private var faults: [String] {
        var faults: [String] = []
        for owner in owners {
            let (name, holds) = (owner.text("name"), owner.text("holds"))
            if owner["level"] == nil || holds == "damaged" || holds.hasPrefix("unreadable") {
                faults.append("\(name): \(holds)")
            } else if !owner.isTrue("caught_up") {
                faults.append("\(name) is not caught up on this partition: it counts for nothing yet")
            }
        }
        let digests = Set(owners.filter { $0["level"] != nil }.map { $0.text("digest") })
        if digests.count > 1 { faults.append("the owners do not hold the same") }
        if owners.contains(where: { ($0["versions"]?.elements?.count ?? 0) > 1 }) {
            faults.append("there are siblings: writes that did not know of each other")
        }
        return faults
    }

    /// A row for each owner, and one more for each further sibling.
    private var rows: [[String]] {
        var rows = [
            ["owner", "backend", "holds", "found in", "value", "record", "written", "expires", "dot"]
        ]
        for owner in owners {
            let level = owner["level"]?.text
            let bytes = owner.number("record_bytes")
            let head = [
                owner.text("name"), owner.text("backend").orDash, owner.text("holds"),
                level.map { $0.replacing("_", with: " ") } ?? "-",
            ]
            let versions = owner["versions"]?.elements ?? []
            if versions.isEmpty { rows.append(head + ["-", bytes > 0 ? "\(bytes) B" : "-", "-", "-", "-"]) }
            for (index, version) in versions.enumerated() {
                let expiry = version["expires"]?.number
                rows.append(
                    (index == 0 ? head : ["", "", "", ""]) + [
                        version.isTrue("tombstone") ? "-" : "\(version.number("bytes")) B",
                        index == 0 ? "\(bytes) B" : "", Self.day(version.number("written_milliseconds")),
                        expiry.map(Self.day) ?? "never", version.text("dot"),
                    ])
            }
        }
        return rows
    }

    private static func day(_ milliseconds: Int64) -> String {
        ReportFiles.day(microseconds: min(max(milliseconds, 0), 253_402_300_799_000) * 1000)
    }
}
