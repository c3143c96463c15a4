import MartletBackendConformance
import MartletCore
import MartletRuntime
import MartletSimulator
import Testing

/// The simulated engine keeps the contract of every engine, and loses what its fault model says, no more.
@Suite struct SimulatedDiskTests {
    enum Simulated: BackendSubject {
        static var kind: BackendKind {
            let disk = SimulatedDisk(random: SeededRandomSource(seed: 1)) { MonotonicTime(nanoseconds: 0) }
            return disk.kind
        }
    }

    @Test(arguments: BackendCheck.applicable(to: Simulated.self))
    func conforms(_ check: BackendCheck) async throws { try await check.run(on: Simulated.self) }

    typealias Map = [[UInt8]: [UInt8]]

    static func open(_ disk: SimulatedDisk) throws -> any StorageBackend {
        try disk.kind.open(BackendOpening(directory: nil))
    }

    static func contents(_ backend: any StorageBackend) throws -> Map {
        var map: Map = [:]
        try withBytes(of: []) { none throws(StorageError) in
            try backend.snapshot().scan(from: none, to: none) { key, value in
                map[key.array] = value.array
                return .continue
            }
        }
        return map
    }

    /// Random batches at random levels, and a crash: what is left is a prefix that holds all that was synced.
    @Test func crashLeavesAPrefixWithAllThatWasSynced() throws {
        var lost = 0
        for seed in 0..<300 as Range<UInt64> {
            let random = SeededRandomSource(seed: seed)
            let disk = SimulatedDisk(random: random.split()) { MonotonicTime(nanoseconds: 0) }
            var states: [Map] = [[:]]
            for _ in 0..<4 {
                let backend = try Self.open(disk)
                var synced = 0
                states = [try Self.contents(backend)]
                for _ in 0..<random.below(12) {
                    var batch = WriteBatch()
                    var next = states[states.count - 1]
                    for _ in 0..<1 + random.below(3) {
                        let (key, value) = ([UInt8(random.below(9))], [UInt8(random.below(250))])
                        if random.happens(0.3) {
                            withBytes(of: key) { batch.delete($0) }
                            next[key] = nil
                        } else {
                            withBytes(of: key) { key in withBytes(of: value) { batch.put(key, $0) } }
                            next[key] = value
                        }
                    }
                    let isSynced = random.happens(0.3)
                    try backend.apply(batch, durability: isSynced ? .always : .none)
                    states.append(next)
                    if isSynced { synced = states.count - 1 }
                    #expect(try Self.contents(backend) == next)
                }
                let newest = states[states.count - 1]
                disk.crash()
                #expect(throws: StorageError.self) { try backend.sync() }
                let left = try Self.contents(Self.open(disk))
                #expect(states[synced...].contains(left), "seed \(seed)")
                if left != newest { lost += 1 }
                disk.crash()
            }
        }
        #expect(lost > 100)
    }

    static func put(_ backend: any StorageBackend, _ key: [UInt8], _ value: [UInt8]) throws(StorageError) {
        var batch = WriteBatch()
        withBytes(of: key) { key in withBytes(of: value) { batch.put(key, $0) } }
        try backend.apply(batch, durability: .always)
    }

    @Test func aFailedSyncIsFinalForTheHandle() throws {
        var outcomes: Set<Bool> = []
        for seed in 0..<20 as Range<UInt64> {
            let disk = SimulatedDisk(random: SeededRandomSource(seed: seed)) { MonotonicTime(nanoseconds: 0) }
            let backend = try Self.open(disk)
            try Self.put(backend, [1], [1])
            disk.failNextSync = true
            #expect(throws: StorageError.self) { try Self.put(backend, [2], [2]) }
            #expect(disk.isPoisoned)
            do throws(StorageError) {
                try Self.put(backend, [3], [3])
                Issue.record("a poisoned handle took a write")
            } catch {
                #expect(error.code == .poisoned)
            }
            #expect(try Self.contents(backend) == [[1]: [1]])
            try backend.close()
            let left = try Self.contents(Self.open(disk))
            #expect(left[[1]] == [1] && left[[3]] == nil)
            outcomes.insert(left[[2]] != nil)
        }
        #expect(outcomes == [false, true], "what was not synced may or may not be there")
    }

    @Test func aFullDiskRefusesUntilItIsNot() throws {
        let disk = SimulatedDisk(random: SeededRandomSource(seed: 1)) { MonotonicTime(nanoseconds: 0) }
        let backend = try Self.open(disk)
        disk.isFull = true
        do throws(StorageError) {
            try Self.put(backend, [1], [1])
            Issue.record("a full disk took a write")
        } catch {
            #expect(error.code == .outOfSpace)
        }
        disk.isFull = false
        try Self.put(backend, [2], [2])
        #expect(try Self.contents(backend) == [[2]: [2]])
        #expect(disk.counters.refusals == 1)
    }

    @Test func aFlippedBitChangesOneRecordOfAClientsKey() throws {
        let disk = SimulatedDisk(random: SeededRandomSource(seed: 3)) { MonotonicTime(nanoseconds: 0) }
        #expect(disk.flipBit() == nil)
        let backend = try Self.open(disk)
        let meta = StoredKey.meta("lease/0")
        var stored = ByteBuffer()
        withBytes(of: Array("k".utf8)) {
            StoredKey.append(to: &stored, keyspace: 0, generation: 1, slot: 7, hash: 9, key: $0)
        }
        try Self.put(backend, meta, [1, 2, 3])
        try Self.put(backend, stored.copy(), [0, 0, 0, 0])
        #expect(disk.flipBit() == Array("k".utf8))
        let left = try Self.contents(backend)
        #expect(left[meta] == [1, 2, 3])
        #expect(left[stored.copy()]?.reduce(0) { $0 + $1.nonzeroBitCount } == 1)
        disk.crash()
        #expect(try Self.contents(Self.open(disk)) == left)
    }

    @Test func aVolatileDiskLosesAll() throws {
        let disk = SimulatedDisk(
            SimulatedDisk.Settings(isVolatile: true), random: SeededRandomSource(seed: 1)
        ) { MonotonicTime(nanoseconds: 0) }
        let backend = try Self.open(disk)
        try Self.put(backend, [1], [1])
        #expect(disk.crash() != nil)
        #expect(try Self.contents(Self.open(disk)).isEmpty)
    }
}
