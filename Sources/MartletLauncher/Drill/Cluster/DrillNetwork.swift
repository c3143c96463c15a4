internal import Foundation
internal import Glibc
internal import MartletConfiguration
internal import MartletRuntime

/// A network namespace for each node, all on one bridge, in which packets between nodes can be dropped.
///
/// A node has two addresses: one by which other nodes reach it, which can be cut, and one by which clients do, which
/// cannot. The latter is a loopback address that is routed between the namespaces, since nodes serve clients on
/// loopback addresses only. The namespaces end with this process: nothing is left behind.
final class DrillNetwork {
    private let folder: String
    /// A process in each namespace that does nothing but keep it; it ends when its input does.
    private var keepers: [Int32] = []
    private var inputs: [Int32] = []
    private var log: String { folder + "/network.log" }

    /// Makes it; this process has to be in a ``DrillSandbox``.
    init(nodes: Int, folder: String) throws(DriverError) {
        self.folder = folder
        try run(["ip", "link", "set", "lo", "up"])
        try run(["ip", "link", "add", "hub", "type", "bridge"])
        try run(["ip", "link", "set", "hub", "up"])
        try run(["ip", "addr", "add", "127.77.0.254/32", "dev", "hub"])
        Self.routeLoopback(of: "hub")
        for node in 0..<nodes { try add(node) }
    }

    deinit {
        // The system takes a namespace apart at its leisure; the names of its ends are free for the next one at once.
        for node in keepers.indices { _ = DrillTools.status(["ip", "link", "delete", "port\(node)"]) }
        for input in inputs { close(input) }
        for keeper in keepers {
            var status: Int32 = 0
            while unsafe waitpid(keeper, &status, 0) < 0, errno == EINTR {}
        }
        _ = DrillTools.status(["ip", "link", "delete", "hub"])
    }

    static func place(of node: Int) -> RelocatedCluster.Place {
        let clients = "127.77.0.\(node + 1)"
        return RelocatedCluster.Place(
            clients: SocketAddress(host: clients, port: 7001),
            nodes: SocketAddress(host: nodeAddress(node), port: 17001),
            clusterClients: SocketAddress(host: clients, port: 27001))
    }

    private static func nodeAddress(_ node: Int) -> String { "10.77.0.\(node + 1)" }

    /// What a command begins with to run in a node's namespace.
    func prefix(of node: Int) -> [String] {
        ["nsenter", "--net=/proc/\(keepers[node])/ns/net", "--"]
    }

    private func add(_ node: Int) throws(DriverError) {
        guard let unshare = DrillTools.path("unshare"), let cat = DrillTools.path("cat") else {
            throw DriverError("unshare or cat is missing")
        }
        var ends: [Int32] = [0, 0]
        guard pipe2CloseOnExec(&ends) else { throw DriverError("no pipe: \(DriverError.reason(errno))") }
        let quiet = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        let keeper = NodeProcess.spawn([unshare, "--net", cat], [:], output: quiet, log: log, input: ends[0])
        close(ends[0])
        close(quiet)
        guard let keeper else { throw DriverError("cannot start unshare: \(DriverError.reason(errno))") }
        keepers.append(keeper)
        inputs.append(ends[1])
        try awaitNamespace(of: keeper)
        let port = "port\(node)"
        let clients = Self.place(of: node).clients.host
        try run(["ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", "\(keeper)"])
        try run(["ip", "link", "set", port, "master", "hub", "up"])
        try run(["ip", "route", "add", clients + "/32", "dev", "hub", "table", "local", "src", "127.77.0.254"])
        func inside(_ words: String...) throws(DriverError) { try run(prefix(of: node) + words) }
        try inside("ip", "link", "set", "lo", "up")
        try inside("ip", "link", "set", "eth0", "up")
        try inside("ip", "addr", "add", Self.nodeAddress(node) + "/24", "dev", "eth0")
        try inside("ip", "addr", "add", clients + "/32", "dev", "eth0")
        try inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet")
        try inside("ip", "route", "add", "127.77.0.0/24", "dev", "eth0", "table", "local", "src", clients)
    }

    /// Waits until the keeper is in a namespace of its own.
    private func awaitNamespace(of keeper: Int32) throws(DriverError) {
        func namespace(_ process: String) -> String? {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net")
        }
        let own = namespace("self")
        for _ in 0..<500 {
            if let its = namespace("\(keeper)"), its != own { return }
            usleep(2000)
        }
        throw DriverError("no network namespace: see \(log)")
    }

    private static func routeLoopback(of interface: String) {
        try? Data("1".utf8).write(to: URL(fileURLWithPath: "/proc/sys/net/ipv4/conf/\(interface)/route_localnet"))
    }

    private func run(_ arguments: [String]) throws(DriverError) { try DrillTools.run(arguments, log: log) }

    // MARK: Cutting

    /// Has each node hear nothing from the nodes named, and everything from the others.
    func cut(_ deaf: [Set<Int>]) throws(DriverError) {
        for (node, unheard) in deaf.enumerated() {
            let addresses = unheard.sorted().map(Self.nodeAddress).joined(separator: ", ")
            let rule = unheard.isEmpty ? "" : "ip saddr { \(addresses) } drop\n"
            let text = """
                table inet drill
                delete table inet drill
                table inet drill {
                    chain input {
                        type filter hook input priority 0; policy accept;
                        \(rule)
                    }
                }

                """
            let path = "\(folder)/node-\(node).nft"
            do {
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            } catch { throw DriverError("cannot write \(path): \(error.localizedDescription)") }
            try run(prefix(of: node) + ["nft", "-f", path])
        }
    }
}
