/// The cluster file of a node under comparison.
struct NodeFile {
    var backend: ComparePlan.Backend
    var durability: String
    var cacheBytes: Int

    var text: String {
        var lines = [
            "# Written by `martlet compare`.", "cluster: compare", "nodes:", "  - name: node",
            "    listen: 127.0.0.1:\(FreePort.next())", "    durability: \(durability)", "    cache: \(cacheBytes)B",
            "    storage:", "      backend: \(backend.engine)",
        ]
        for setting in backend.settings { lines.append("      \(setting.name): \(setting.value)") }
        return lines.joined(separator: "\n") + "\n"
    }
}
