import MartletCore

/// Failure detectors of a whole cluster in virtual time, over a network that loses, delays and cuts.
struct FailureHarness {
    static let millisecond: UInt64 = 1_000_000
    static let second: UInt64 = 1_000_000_000

    private enum Item {
        case time(UInt32, life: Int)
        case message(from: UInt32, to: UInt32, life: Int, MessageKind, [UInt8])
        case link(UInt32, to: UInt32, isOpen: Bool)
    }

    /// What one node's detector told its shell.
    struct Told {
        var node: UInt32
        var time: UInt64
        var action: FailureDetectorAction
    }

    let nodes: Range<UInt32>
    var settings: FailureDetectorSettings
    var random: Seeded
    private(set) var machines: [FailureDetectorMachine] = []
    private(set) var now: UInt64 = 0
    private var lives: [Int]
    private(set) var isUp: [Bool]
    private var pausedUntil: [UInt64]
    private var held: [[Item]]
    private var queue = Heap()
    private var order: UInt64 = 0
    /// Whether a message from one to another is lost.
    var loses: (UInt32, UInt32, inout Seeded) -> Bool = { _, _, _ in false }
    var told: [Told] = []
    /// Bytes and messages that each node sent, headers of frames included.
    var bytes: [Int]
    var messages: [Int]

    init(_ count: Int, seed: UInt64, settings: FailureDetectorSettings = FailureDetectorSettings()) {
        nodes = 0..<UInt32(count)
        self.settings = settings
        random = Seeded(seed)
        lives = Array(repeating: 1, count: count)
        isUp = Array(repeating: true, count: count)
        pausedUntil = Array(repeating: 0, count: count)
        held = Array(repeating: [], count: count)
        bytes = Array(repeating: 0, count: count)
        messages = bytes
        for node in nodes {
            machines.append(machine(node))
            push(machines[Int(node)].wake, .time(node, life: 1))
        }
        for node in nodes {
            for other in nodes where other != node { deliver(.linkOpened(other, incarnation: 1), to: node) }
        }
    }

    private mutating func machine(_ node: UInt32) -> FailureDetectorMachine {
        FailureDetectorMachine(
            node: node, incarnation: UInt64(lives[Int(node)]), members: Array(nodes), settings: settings,
            seed: random.next(), now: now)
    }

    // MARK: Faults

    /// The process is gone: its links close with it, or, if its machine is gone too, nobody hears of it.
    mutating func kill(_ node: UInt32, closesLinks: Bool) {
        isUp[Int(node)] = false
        lives[Int(node)] += 1
        guard closesLinks else { return }
        for other in nodes where other != node && isUp[Int(other)] { deliver(.linkClosed(node), to: other) }
    }

    /// Starts it anew, with another data set, and links it with all who are up.
    mutating func start(_ node: UInt32) {
        isUp[Int(node)] = true
        machines[Int(node)] = machine(node)
        for other in nodes where other != node && isUp[Int(other)] {
            deliver(.linkClosed(node), to: other)
            push(now + Self.millisecond, .link(node, to: other, isOpen: true))
            push(now + Self.millisecond, .link(other, to: node, isOpen: true))
        }
        push(machines[Int(node)].wake, .time(node, life: lives[Int(node)]))
    }

    /// The process stands still: what reaches it is there when it goes on.
    mutating func pause(_ node: UInt32, for duration: UInt64) {
        pausedUntil[Int(node)] = now + duration
        push(now + duration, .time(node, life: lives[Int(node)]))
    }

    /// Closes or opens the links between two, for both.
    mutating func link(_ a: UInt32, _ b: UInt32, isOpen: Bool) {
        push(now, .link(a, to: b, isOpen: isOpen))
        push(now, .link(b, to: a, isOpen: isOpen))
    }

    // MARK: Running

    /// Runs until a time, or until `isDone`, which is asked after each event.
    mutating func run(until end: UInt64, isDone: (Self) -> Bool = { _ in false }) {
        while let entry = queue.first, entry.time <= end {
            queue.removeFirst()
            now = entry.time
            handle(entry.item)
            if isDone(self) { return }
        }
        now = max(now, end)
    }

    mutating func run(for duration: UInt64, isDone: (Self) -> Bool = { _ in false }) {
        run(until: now + duration, isDone: isDone)
    }

    private mutating func handle(_ item: Item) {
        switch item {
        case .time(let node, let life):
            guard lives[Int(node)] == life, isUp[Int(node)], pausedUntil[Int(node)] <= now else { return }
            for item in held[Int(node)] { push(now, item) }
            held[Int(node)] = []
            if machines[Int(node)].wake <= now { deliver(.time, to: node) }
        case .message(let from, let to, let life, let kind, let payload):
            guard lives[Int(to)] == life, isUp[Int(to)] else { return }
            if pausedUntil[Int(to)] > now { return held[Int(to)].append(item) }
            guard let message = try? withBytes(of: payload, { try FailureMessage(kind, $0) }) else {
                preconditionFailure("what was written is not read back")
            }
            deliver(.received(from, message), to: to)
        case .link(let node, let peer, let isOpen):
            guard isUp[Int(node)], isUp[Int(peer)] else { return }
            if pausedUntil[Int(node)] > now { return held[Int(node)].append(item) }
            let incarnation = UInt64(lives[Int(peer)])
            deliver(isOpen ? .linkOpened(peer, incarnation: incarnation) : .linkClosed(peer), to: node)
        }
    }

    private mutating func deliver(_ event: FailureDetectorEvent, to node: UInt32) {
        let former = machines[Int(node)].wake
        let actions = machines[Int(node)].receive(event, now: now)
        for action in actions {
            told.append(Told(node: node, time: now, action: action))
            guard case .send(let peer, let message) = action else { continue }
            told.removeLast()
            var buffer = ByteBuffer()
            message.append(to: &buffer)
            bytes[Int(node)] += buffer.count + Frame.headerLength
            messages[Int(node)] += 1
            guard isUp[Int(peer)], !loses(node, peer, &random) else { continue }
            let delay = Self.millisecond / 5 + random.next() % (2 * Self.millisecond)
            push(
                now + delay,
                .message(from: node, to: peer, life: lives[Int(peer)], message.kind, buffer.copy()))
        }
        let wake = machines[Int(node)].wake
        if wake != former || event.isTime { push(max(now, wake), .time(node, life: lives[Int(node)])) }
    }

    private mutating func push(_ time: UInt64, _ item: Item) {
        order += 1
        queue.insert(Heap.Entry(time: time, order: order, item: item))
    }

    // MARK: Questions

    /// What each of the nodes that are up holds of one.
    func views(of node: UInt32) -> [Liveness] {
        nodes.filter { $0 != node && isUp[Int($0)] }.compactMap { machines[Int($0)].member(node)?.liveness }
    }

    /// When nodes took one for dead.
    func deaths(of node: UInt32? = nil) -> [Told] {
        told.filter {
            if case .changed(let peer, .dead) = $0.action { return node == nil || peer == node } else { return false }
        }
    }

    /// A binary heap by time, then order of insertion.
    private struct Heap {
        struct Entry {
            var time: UInt64
            var order: UInt64
            var item: Item
            func isBefore(_ other: Entry) -> Bool { time == other.time ? order < other.order : time < other.time }
        }
        var entries: [Entry] = []
        var first: Entry? { entries.first }

        mutating func insert(_ entry: Entry) {
            entries.append(entry)
            var at = entries.count - 1
            while at > 0, entries[at].isBefore(entries[(at - 1) / 2]) {
                entries.swapAt(at, (at - 1) / 2)
                at = (at - 1) / 2
            }
        }

        mutating func removeFirst() {
            entries.swapAt(0, entries.count - 1)
            entries.removeLast()
            var at = 0
            while true {
                var least = at
                for child in [2 * at + 1, 2 * at + 2] where child < entries.count {
                    if entries[child].isBefore(entries[least]) { least = child }
                }
                if least == at { return }
                entries.swapAt(at, least)
                at = least
            }
        }
    }
}

extension FailureDetectorEvent {
    fileprivate var isTime: Bool { if case .time = self { true } else { false } }
}
