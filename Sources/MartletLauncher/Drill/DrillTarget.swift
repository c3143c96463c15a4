internal import Glibc
internal import MartletClient
internal import MartletConfiguration
internal import MartletRuntime

/// A cluster that a drill can do something to.
protocol DrillTarget: AnyObject {
    var members: [DrillCluster.Member] { get }
    func perform(_ action: DrillConfiguration.Action) throws(DriverError)
    /// Why a node ended by itself; nil if none did.
    func obituary() -> String?
}

extension DrillCluster: DrillTarget {}

/// A cluster that somebody else runs: its nodes are left alone, but for being paused where they are this user's.
final class RunningCluster: DrillTarget {
    let members: [DrillCluster.Member]
    /// By node; nil where it is not a process of this machine that this user may stop.
    private let processes: [Int32?]
    /// The drill file's names, in its order: they stand for the members of the same place where no member has them.
    private let names: [String]

    init(_ members: [(name: String, address: SocketAddress, process: Int32?)], names: [String]) {
        self.members = members.map { .init(name: $0.name, address: $0.address) }
        processes = members.map(\.process)
        self.names = names
    }

    private func node(_ name: String) -> Int? {
        members.firstIndex { $0.name == name }
            ?? names.firstIndex(of: name).flatMap { members.indices.contains($0) ? $0 : nil }
    }

    /// A step with the names of this cluster's members.
    func named(_ action: DrillConfiguration.Action) -> DrillConfiguration.Action {
        func names(_ given: [String]) -> [String] { given.map { name in node(name).map { members[$0].name } ?? name } }
        return switch action {
        case .pause(let given): .pause(names(given))
        case .resume(let given): .resume(names(given))
        default: action
        }
    }

    /// Why a step cannot be done to it; nil if it can.
    func refusal(of action: DrillConfiguration.Action) -> String? {
        switch action {
        case .rate: return nil
        case .pause(let names), .resume(let names):
            for name in names {
                guard let node = node(name) else { return "there is no node \(name) here" }
                if processes[node] == nil {
                    return "node \(members[node].name) is no process of this machine that you may pause"
                }
            }
            return nil
        default: return "with --at only rate, pause and resume: '\(action.text)' is for clusters that the drill starts"
        }
    }

    func perform(_ action: DrillConfiguration.Action) throws(DriverError) {
        if let refusal = refusal(of: action) { throw DriverError(refusal) }
        let signal = if case .pause = action { SIGSTOP } else { SIGCONT }
        for name in action.nodes {
            if let node = node(name), let process = processes[node] { kill(process, signal) }
        }
    }

    func obituary() -> String? { nil }

    /// The process of a node, by what INFO says, if it is here and this user's.
    static func process(_ information: String, at address: SocketAddress) -> Int32? {
        guard address.isLoopback else { return nil }
        let line = information.split(whereSeparator: \.isNewline).first { $0.hasPrefix("process_id:") }
        guard let line, let process = Int32(line.dropFirst("process_id:".count)), process > 1 else { return nil }
        return kill(process, 0) == 0 && process != getpid() ? process : nil
    }
}
