/// The cluster file of a node under comparison.
struct NodeFile {
    var backend: ComparePlan.Backend
    var durability: String
    var cacheBytes: Int

    var text: String {
        var lines = [
            "# Written by `martlet compare`.", "cluster: compare", "durability: \(durability)", "cache: \(cacheBytes)B",
            "storage:", "  backend: \(backend.engine)",
        ]
        for setting in backend.settings { lines.append("  \(setting.name): \(setting.value)") }
        lines += ["nodes:", "  - name: node", "    port: \(FreePort.next())"]
        return lines.joined(separator: "\n") + "\n"
    }
}
