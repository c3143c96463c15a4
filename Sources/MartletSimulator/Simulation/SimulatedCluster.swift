public import MartletRuntime

/// The nodes of a simulation, as the simulation drives them: the seam between it and how many there are.
public protocol SimulatedCluster: AnyObject {
    /// Where clients connect.
    var clientAddresses: [SocketAddress] { get }
    /// Starts all nodes.
    func start()
    /// Whether faults of a kind can do anything to this cluster; a plan has no others.
    func canMeet(_ kind: FaultKind) -> Bool
    /// Registers what can befall the nodes.
    func register(with injector: FaultInjector)
    /// Ends all nodes in order; `done` hears what went wrong.
    func stop(_ done: @escaping ([String]) -> Void)
    /// Adds to the evidence what only the cluster knows: losses, clocks, damage, digests, sizes.
    func testify(_ evidence: inout Evidence)
    /// How often code that seldom runs has run, by name.
    var rarePaths: [String: Int] { get }
}
