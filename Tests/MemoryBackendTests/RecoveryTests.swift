import MartletCore
import MartletRuntime
import Testing

@testable import MemoryBackend

@Suite struct RecoveryTests {
    private static let log = "log-0000000000000001"

    /// A log of a few batches that was not closed, and where each of its frames ends.
    private func recording(_ durability: Durability) throws -> (workload: Workload, bytes: [UInt8], ends: [Int]) {
        var generator = Seeded(11)
        let workload = Workload(&generator, batches: 8)
        let disk = SimulatedDisk()
        let backend = try MemoryBackend.open(on: disk)
        var ends = [LogFormat.headerSize]
        for index in workload.batches.indices {
            try workload.apply(index, to: backend, durability)
            ends.append(disk.bytes(Self.log)!.count)
        }
        return (workload, disk.bytes(Self.log)!, ends)
    }

    private func recover(_ bytes: [UInt8]) throws -> Reference {
        let disk = SimulatedDisk()
        disk.put(Self.log, bytes)
        let backend = try MemoryBackend.open(on: disk)
        return try backend.contents
    }

    @Test func everyPrefixRecoversToAPrefix() throws {
        let (workload, bytes, ends) = try recording(.always)
        for cut in 0...bytes.count {
            let whole = ends.lastIndex { $0 <= cut } ?? 0
            #expect(try recover(Array(bytes.prefix(cut))) == workload.states[whole])
            guard cut >= LogFormat.headerSize else { continue }
            let padded = Array(bytes.prefix(cut)) + [UInt8](repeating: 255, count: 40)
            #expect(try recover(padded) == workload.states[whole])
        }
    }

    @Test func aDamagedTailIsDroppedAndDamageBeforeItRefused() throws {
        let (workload, bytes, ends) = try recording(.always)
        for offset in LogFormat.headerSize..<bytes.count {
            var damaged = bytes
            damaged[offset] ^= 1 << (offset % 8)
            let frame = ends.lastIndex { $0 <= offset }!
            if frame == workload.batches.count - 1 {
                #expect(try recover(damaged) == workload.states[frame])
            } else {
                let error = #expect(throws: StorageError.self) { try recover(damaged) }
                #expect(error?.code == .corrupted)
                #expect(error?.message.contains("\(Self.log): damaged at offset \(ends[frame])") == true)
            }
        }
    }

    @Test func withoutSyncsDamageIsAnInterruptedWrite() throws {
        let (workload, bytes, ends) = try recording(.none)
        for offset in LogFormat.headerSize..<bytes.count {
            var damaged = bytes
            damaged[offset] ^= 1 << (offset % 8)
            let frame = ends.lastIndex { $0 <= offset }!
            #expect(try recover(damaged) == workload.states[frame])
        }
    }

    @Test func afterACloseAllDamageIsRefused() throws {
        var generator = Seeded(5)
        let workload = Workload(&generator, batches: 3)
        let disk = SimulatedDisk()
        let backend = try MemoryBackend.open(on: disk)
        for index in 0..<3 { try workload.apply(index, to: backend, .none) }
        let end = disk.bytes(Self.log)!.count
        try backend.close()
        var bytes = disk.bytes(Self.log)!
        #expect(try recover(bytes) == workload.states[3])
        bytes[end - 1] ^= 1
        let error = #expect(throws: StorageError.self) { try recover(bytes) }
        #expect(error?.code == .corrupted)
    }

    @Test func headersAreChecked() throws {
        let (_, bytes, _) = try recording(.always)
        for offset in 0..<LogFormat.headerSize {
            var damaged = bytes
            damaged[offset] ^= 4
            let error = #expect(throws: StorageError.self) { try recover(damaged) }
            #expect(error?.code == (offset == 7 ? .incompatible : .corrupted))
            #expect(error?.message.contains(Self.log) == true)
        }
    }

    @Test func everyDamageToASnapshotIsRefused() throws {
        var generator = Seeded(3)
        let workload = Workload(&generator, batches: 40)
        let disk = SimulatedDisk()
        let backend = try MemoryBackend.open(on: disk, minimum: 700)
        for index in 0..<40 { try workload.apply(index, to: backend, .none) }
        try backend.close()
        let name = try #require(try disk.names().first { $0.hasPrefix("snapshot-") && !$0.hasSuffix(".new") })
        let bytes = try #require(disk.bytes(name))
        #expect(try MemoryBackend.open(on: disk).contents == workload.states[40])
        for offset in bytes.indices {
            var damaged = bytes
            damaged[offset] ^= 1 << (offset % 8)
            disk.put(name, damaged)
            #expect(throws: StorageError.self) { try MemoryBackend.open(on: disk) }
            disk.put(name, Array(bytes.prefix(offset)))
            #expect(throws: StorageError.self) { try MemoryBackend.open(on: disk) }
        }
    }

    /// Loses power at every call the log makes of the disk, snapshots included, and recovers.
    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func powerLossAtEveryCall(seed: UInt64) throws {
        var generator = Seeded(seed)
        let workload = Workload(&generator, batches: 60)
        var call = 0
        while true {
            let disk = SimulatedDisk()
            disk.fail(at: call)
            var applied = 0
            var durable = 0
            var died = false
            do {
                let backend = try MemoryBackend.open(on: disk, minimum: 600)
                for index in workload.batches.indices {
                    let durability: Durability = Int.random(in: 0..<3, using: &generator) == 0 ? .always : .none
                    try workload.apply(index, to: backend, durability)
                    applied = index + 1
                    if durability == .always { durable = applied }
                }
                try backend.close()
                durable = applied
            } catch {
                died = true
            }
            for _ in 0..<2 {
                let rebooted = disk.afterPowerLoss(&generator)
                let backend = try MemoryBackend.open(on: rebooted, minimum: 600)
                let found = try backend.contents
                #expect((durable...min(applied + 1, 60)).contains { workload.states[$0] == found }, "at call \(call)")
                try workload.apply(0, to: backend, .always)
                let again = try MemoryBackend.open(on: rebooted.afterPowerLoss(&generator), minimum: 600)
                #expect(try again.contents == backend.contents)
            }
            guard died else { break }
            call += 1
        }
        #expect(call > 100)
    }
}
