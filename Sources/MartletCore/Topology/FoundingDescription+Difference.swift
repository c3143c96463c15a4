/// Saying in words what keeps two nodes apart.
extension FoundingDescription {
    /// The first setting in which this description, "here", differs from another, "there": `weight of node b: 2 here,
    /// 1 there`. Nil if they are equal.
    public func firstDifference(from other: FoundingDescription) -> String? {
        if let difference = Self.difference("cluster", cluster, other.cluster)
            ?? Self.difference("partitions", partitions, other.partitions)
        {
            return difference
        }
        let members = Self.firstDifference(self.members, other.members, id: \.id) { mine, theirs in
            guard let theirs else { return "node \(mine.name) (id \(mine.id))" }
            let node = "of node \(mine.name)"
            return Self.difference("name of node \(mine.id)", mine.name, theirs.name)
                ?? Self.difference("weight \(node)", mine.weight, theirs.weight)
                ?? Self.difference("rack \(node)", mine.rack, theirs.rack)
                ?? Self.difference("data center \(node)", mine.dataCenter, theirs.dataCenter)
        }
        return members
            ?? Self.firstDifference(keyspaces, other.keyspaces, id: \.id) { mine, theirs in
                guard let theirs else { return "keyspace \(mine.name) (id \(mine.id))" }
                return Self.difference(mine, theirs)
            }
    }

    /// The same of two descriptions in bytes, as links show them to each other; for a person, whatever they hold.
    public static func firstDifference(_ mine: [UInt8], _ theirs: [UInt8]) -> String {
        do throws(PlacementError) {
            let here = try withBytes(of: mine) { (bytes) throws(PlacementError) in
                try FoundingDescription(decoding: bytes)
            }
            let there = try withBytes(of: theirs) { (bytes) throws(PlacementError) in
                try FoundingDescription(decoding: bytes)
            }
            return here.firstDifference(from: there) ?? "the same founding settings"
        } catch {
            return "the founding settings differ, and cannot be compared: \(error.message)"
        }
    }

    private static func difference(_ mine: KeyspaceDefinition, _ theirs: KeyspaceDefinition) -> String? {
        let keyspace = "of keyspace \(mine.name)"
        return difference("name of keyspace \(mine.id)", mine.name, theirs.name)
            ?? difference("replicas \(keyspace)", mine.placement.text, theirs.placement.text)
            ?? difference("mode \(keyspace)", mine.mode.name, theirs.mode.name)
            ?? difference("conflicts \(keyspace)", mine.conflicts, theirs.conflicts)
            ?? difference("reads \(keyspace)", mine.reads.name, theirs.reads.name)
            ?? difference("writes \(keyspace)", mine.writes.name, theirs.writes.name)
            ?? difference("sloppy \(keyspace)", mine.isSloppy, theirs.isSloppy)
    }

    private static func difference<T: Equatable>(_ setting: String, _ mine: T, _ theirs: T) -> String? {
        func shown(_ value: T) -> String { "\(value)".isEmpty ? "none" : "\(value)" }
        return mine == theirs ? nil : "\(setting): \(shown(mine)) here, \(shown(theirs)) there"
    }

    /// Walks two lists in the order of ids; `compare` names what one side lacks if it is given no counterpart.
    private static func firstDifference<T>(
        _ mine: [T], _ theirs: [T], id: (T) -> UInt32, _ compare: (T, T?) -> String?
    ) -> String? {
        var here = mine[...]
        var there = theirs[...]
        while let next = here.first ?? there.first {
            switch (here.first, there.first) {
            case (let a?, let b?) where id(a) == id(b):
                if let difference = compare(a, b) { return difference }
                here.removeFirst()
                there.removeFirst()
            case (let a?, let b?) where id(b) < id(a):
                return compare(b, nil).map { "\($0): there, not here" }
            case (nil, _): return compare(next, nil).map { "\($0): there, not here" }
            default: return compare(next, nil).map { "\($0): here, not there" }
            }
        }
        return nil
    }
}
