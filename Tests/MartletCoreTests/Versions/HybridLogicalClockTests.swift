import MartletCore
import Testing

/// Clock laws, on random runs of several nodes whose wall clocks jump.
@Suite struct HybridLogicalClockTests {
    private let bound = HybridLogicalClock.defaultBound

    @Test("stamps rise at each node and along each message; none is beyond the bound", arguments: seeds)
    func laws(seed: UInt64) {
        var random = Seeded(seed)
        var clocks = (0..<4).map { _ in HybridLogicalClock() }
        var latest = [UInt64](repeating: 0, count: 4)
        var refused = 0
        for step in 0..<4000 {
            let wall = Int64(10_000 + step) + Int64.random(in: -700...700, using: &random)
            let (node, peer) = (Int.random(in: 0..<4, using: &random), Int.random(in: 0..<4, using: &random))
            if Bool.random(using: &random) {
                guard let stamp = clocks[node].mint(wallMilliseconds: wall, bound: bound) else {
                    #expect(HybridLogicalClock.milliseconds(of: latest[node]) > wall + bound)
                    refused += 1
                    continue
                }
                #expect(stamp > latest[node])
                #expect(stamp >= HybridLogicalClock.stamp(milliseconds: wall))
                #expect(HybridLogicalClock.milliseconds(of: stamp) <= wall + bound)
                latest[node] = stamp
            } else {
                let stamp = latest[peer]
                let isTaken = clocks[node].receive(stamp, wallMilliseconds: wall, bound: bound)
                let isBeyond = HybridLogicalClock.isBeyond(stamp, wallMilliseconds: wall, bound: bound)
                #expect(isTaken == (!isBeyond || stamp <= latest[node]))
                if isTaken { latest[node] = max(latest[node], stamp) }
            }
            #expect(clocks[node].last == latest[node])
        }
        #expect(refused > 0)
    }

    @Test("a clock minted from faster than its room refuses rather than run away")
    func runaway() {
        var clock = HybridLogicalClock()
        var count = 0
        while clock.mint(wallMilliseconds: 1000, bound: 1) != nil { count += 1 }
        #expect(count == 2 << 16)
        #expect(HybridLogicalClock.milliseconds(of: clock.last) == 1001)
        #expect(clock.mint(wallMilliseconds: 1001, bound: 1) != nil)
    }

    @Test("no stamp or wall clock traps, or takes a clock back", arguments: seeds)
    func extremes(seed: UInt64) {
        var random = Seeded(seed)
        var clock = HybridLogicalClock(last: random.number())
        for _ in 0..<500 {
            let former = clock.last
            let wall = Int64(bitPattern: random.number()) &* (Bool.random(using: &random) ? 1 : -1)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: clock.receive(random.number())
            case 1: clock.receive(.max, wallMilliseconds: wall, bound: .max)
            case 2: _ = clock.mint(wallMilliseconds: wall, bound: Int64(bitPattern: random.number()))
            default: _ = clock.mint(wallMilliseconds: wall)
            }
            #expect(clock.last >= former)
            #expect(clock.last <= HybridLogicalClock.maximum)
        }
        clock = HybridLogicalClock()
        clock.receive(.max)
        #expect(clock.last == 0)
    }

    @Test("after a restart with any wall clock, stamps are above all that were minted", arguments: seeds)
    func leases(seed: UInt64) throws {
        var random = Seeded(seed)
        var onDisk: UInt64 = 0
        var greatest: UInt64 = 0
        var persisted = 0
        for _ in 0..<50 {
            var lease = StampLease(limit: onDisk)
            var clock = HybridLogicalClock(last: onDisk)
            let wall = Int64.random(in: 1...100_000, using: &random)
            for step in 0..<Int64.random(in: 1...200, using: &random) {
                let stamp = clock.mint(wallMilliseconds: wall + step * 3)
                #expect(stamp > greatest)
                if let limit = lease.cover(stamp) {
                    onDisk = limit
                    persisted += 1
                }
                #expect(onDisk >= stamp)
                greatest = stamp
            }
        }
        #expect(persisted < 300, "most stamps are covered already")
    }

    @Test("a restart within the lease is not beyond the bound")
    func leaseIsWithinBound() throws {
        var clock = HybridLogicalClock()
        var lease = StampLease()
        let minted = clock.mint(wallMilliseconds: 5000, bound: bound)
        let covered = lease.cover(try #require(minted))
        let limit = try #require(covered)
        clock = HybridLogicalClock(last: limit)
        #expect(clock.mint(wallMilliseconds: 5000, bound: bound) != nil)
        #expect(lease.cover(UInt64.max) == HybridLogicalClock.maximum)
    }
}
