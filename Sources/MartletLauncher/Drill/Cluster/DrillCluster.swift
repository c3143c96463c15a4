internal import Foundation
internal import Glibc
internal import MartletConfiguration
internal import MartletRuntime

/// The processes of a cluster that is drilled: one for each node, which this one starts, stops and hurts.
final class DrillCluster {
    struct Member: Sendable {
        var name: String
        var address: SocketAddress
    }

    let members: [Member]
    private let folder: String
    private let file: String
    private let network: DrillNetwork?
    private let limits: DrillProcessorLimits?
    private let environments: [[String: String]]
    /// By node; nil while it has none.
    private var processes: [Int32?]
    /// All that there ever were.
    private var past: [Int32] = []
    private let needs: DrillNeeds
    /// By node, whom it does not hear.
    private var deaf: [Set<Int>]

    /// Writes the cluster's files below `folder`, and makes its network; starts nothing.
    init(_ variant: DrillConfiguration.Variant, folder: String, needs: DrillNeeds) throws(DriverError) {
        self.folder = folder
        self.needs = needs
        let count = variant.cluster.nodes.count
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch { throw DriverError("cannot make \(folder): \(error.localizedDescription)") }
        network = needs.network ? try DrillNetwork(nodes: count, folder: folder) : nil
        limits = needs.limits ? try DrillProcessorLimits(nodes: count) : nil
        file = folder + "/cluster.yaml"
        processes = Array(repeating: nil, count: count)
        deaf = Array(repeating: [], count: count)
        let places = (0..<count).map { needs.network ? DrillNetwork.place(of: $0) : Self.freePlace() }
        members = zip(variant.cluster.nodes, places).map { Member(name: $0.name, address: $1.clients) }
        environments = try (0..<count).map { node throws(DriverError) in
            try needs.environment(ofNode: node, folder: folder)
        }
        let secret = folder + "/secret"
        do {
            _ = FileManager.default.createFile(
                atPath: secret, contents: Data("only for as long as this drill\n".utf8),
                attributes: [.posixPermissions: 0o600])
            let text = try RelocatedCluster.text(
                variant.text, file: variant.file, places: places, secretFile: needs.network ? secret : nil)
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        } catch { throw DriverError("cannot write \(file): \(error)") }
    }

    deinit {
        for process in processes { if let process { end(process, SIGKILL) } }
        if needs.skew { DrillNeeds.removeSharedMemory(of: past) }
    }

    private static func freePlace() -> RelocatedCluster.Place {
        func free() -> SocketAddress { SocketAddress(host: "127.0.0.1", port: FreePort.next()) }
        return .init(clients: free(), nodes: free(), clusterClients: free())
    }

    func node(_ name: String) -> Int? { members.firstIndex { $0.name == name } }

    /// What the nodes logged.
    func log(of node: Int) -> String { "\(folder)/\(members[node].name).log" }

    // MARK: Processes

    func start() throws(DriverError) { for node in members.indices { try start(node) } }

    /// Starts a node that has no process.
    func start(_ node: Int) throws(DriverError) {
        guard processes[node] == nil else { return }
        var arguments = network?.prefix(of: node) ?? needs.prefix
        if !arguments.isEmpty, let path = DrillTools.path(arguments[0]) { arguments[0] = path }
        arguments += [
            SupervisedProcess.thisExecutable, "launch", file, "--node", members[node].name, "--data", folder + "/data",
        ]
        let quiet = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { close(quiet) }
        guard let child = NodeProcess.spawn(arguments, environments[node], output: quiet, log: log(of: node)) else {
            throw DriverError("cannot start \(arguments[0]): \(DriverError.reason(errno))")
        }
        try limits?.add(child, node: node)
        processes[node] = child
        past.append(child)
    }

    /// The first node that ended by itself, with its last words; nil if all are as they should be.
    func obituary() -> String? {
        for node in members.indices {
            guard let process = processes[node] else { continue }
            var status: Int32 = 0
            guard unsafe waitpid(process, &status, WNOHANG) == process else { continue }
            processes[node] = nil
            let end = status & 0x7f == 0 ? "ended with code \(status >> 8 & 0xff)" : "died of signal \(status & 0x7f)"
            let word = NodeProcess.lastWord(of: log(of: node)).map { ": " + $0 } ?? ""
            return "node \(members[node].name) \(end)\(word)"
        }
        return nil
    }

    /// Ends all in order; by force those that do not within ten seconds.
    func stop() {
        for process in processes {
            guard let process else { continue }
            Glibc.kill(process, SIGTERM)
            Glibc.kill(process, SIGCONT)
        }
        for _ in 0..<500 {
            for node in processes.indices {
                guard let process = processes[node] else { continue }
                var status: Int32 = 0
                if unsafe waitpid(process, &status, WNOHANG) != 0 { processes[node] = nil }
            }
            if processes.allSatisfy({ $0 == nil }) { return }
            usleep(20_000)
        }
        for node in processes.indices { kill(node) }
    }

    func kill(_ node: Int) {
        guard let process = processes[node] else { return }
        end(process, SIGKILL)
        processes[node] = nil
    }

    private func end(_ process: Int32, _ signal: Int32) {
        Glibc.kill(process, signal)
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    // MARK: Faults

    /// Does what a step says.
    func perform(_ action: DrillConfiguration.Action) throws(DriverError) {
        let nodes = action.nodes.compactMap { node($0) }
        switch action {
        case .kill: for node in nodes { kill(node) }
        case .restart: for node in nodes { try start(node) }
        case .wipe:
            for node in nodes {
                kill(node)
                try? FileManager.default.removeItem(atPath: "\(folder)/data/\(members[node].name)")
            }
        case .pause, .resume:
            let pauses = if case .pause = action { true } else { false }
            for node in nodes {
                guard let process = processes[node] else { continue }
                Glibc.kill(process, pauses ? SIGSTOP : SIGCONT)
            }
        case .partition(let groups):
            let groups = groups.map { Set($0.compactMap { node($0) }) }
            for group in groups {
                let others = groups.filter { $0 != group }.reduce(into: Set<Int>()) { $0.formUnion($1) }
                for node in group { deaf[node].formUnion(others) }
            }
            try network?.cut(deaf)
        case .oneWay(let from, let to):
            for node in to.compactMap({ node($0) }) { deaf[node].formUnion(from.compactMap { self.node($0) }) }
            try network?.cut(deaf)
        case .heal:
            deaf = Array(repeating: [], count: members.count)
            try network?.cut(deaf)
        case .slowDisk(_, let time):
            for node in nodes { try DrillNeeds.setSlowness(time, ofNode: node, folder: folder) }
        case .limitCPU(_, let percent): for node in nodes { try limits?.set(percent, node: node) }
        case .rate: break
        case .skew(_, let milliseconds):
            for node in nodes { try DrillNeeds.setSkew(milliseconds, ofNode: node, folder: folder) }
        }
    }
}
