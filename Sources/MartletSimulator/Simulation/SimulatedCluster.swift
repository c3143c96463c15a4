public import MartletRuntime

/// The nodes of a simulation, as the simulation drives them: the seam between it and how many there are.
public protocol SimulatedCluster: AnyObject {
    /// Where clients connect.
    var clientAddresses: [SocketAddress] { get }
    /// How many nodes faults are dealt to.
    var nodeCount: Int { get }
    /// Starts all nodes.
    func start()
    /// Whether faults of a kind can do anything to this cluster; a plan has no others.
    func canMeet(_ kind: FaultKind) -> Bool
    /// Registers what can befall the nodes.
    func register(with injector: FaultInjector)
    /// Tells once the cluster has come to rest: all nodes run and are caught up, all owners hold the same; or, with
    /// false, that it did not. No client is needed for it, and none asks anything meanwhile.
    func settle(within limit: Duration, _ done: @escaping (Bool) -> Void)
    /// Ends all nodes in order; `done` hears what went wrong.
    func stop(_ done: @escaping ([String]) -> Void)
    /// Adds to the evidence what only the cluster knows: losses, clocks, damage, digests, sizes.
    func testify(_ evidence: inout Evidence)
    /// What each node says of its repairs and holds under a key that is not served.
    func standings(of key: [UInt8]) -> [String]
    /// How often code that seldom runs has run, by name.
    var rarePaths: [String: Int] { get }
}
