import Glibc
import MartletCore
import MartletRuntime
import Testing

@testable import MemoryBackend

@Suite struct BackendTests {
    private func apply(_ backend: any StorageBackend, _ key: [UInt8], _ value: [UInt8]?) throws(StorageError) {
        var batch = WriteBatch()
        withBytes(of: key) { key in
            if let value { withBytes(of: value) { batch.put(key, $0) } } else { batch.delete(key) }
        }
        try backend.apply(batch, durability: backend.properties.maximumDurability)
    }

    @Test func capacityRefusesWholeBatchesAndDeletesGoOn() throws {
        let backend = MemoryBackend(capacity: 20_000)
        var stored = 0
        var refusal: StorageError?
        while refusal == nil {
            do throws(StorageError) {
                try apply(backend, [UInt8(stored)], [UInt8](repeating: 1, count: 500))
                stored += 1
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.code == .outOfSpace)
        #expect(stored > 30 && backend.statistics().keys == UInt64(stored))
        #expect(backend.statistics().bytesInMemory <= 20_000)

        var batch = WriteBatch()
        withBytes(of: [0]) { batch.delete($0) }
        withBytes(of: [UInt8](repeating: 2, count: 1000)) { batch.put($0, $0) }
        #expect(throws: StorageError.self) { try backend.apply(batch, durability: .none) }
        #expect(backend.statistics().keys == UInt64(stored))

        try apply(backend, [1], [UInt8](repeating: 2, count: 500))  // no more than before
        for key in 0..<stored { try apply(backend, [UInt8(key)], nil) }
        #expect(backend.statistics().bytesInMemory == 0)
        try apply(backend, [1], [2])
    }

    @Test func refusesKeysBeyondItsLengths() throws {
        let backend = MemoryBackend(capacity: 0)
        try apply(backend, [UInt8](repeating: 1, count: 65535), [])
        let error = #expect(throws: StorageError.self) {
            try apply(backend, [UInt8](repeating: 1, count: 65536), [])
        }
        #expect(error?.code == .tooLarge)
        #expect(backend.statistics().keys == 1)
    }

    @Test func aClosedBackendRefuses() throws {
        let backend = MemoryBackend(capacity: 0)
        try apply(backend, [1], [1])
        let reader = try backend.makeReader()
        try backend.close()
        try backend.close()
        #expect(throws: StorageError.self) { try apply(backend, [1], [1]) }
        #expect(throws: StorageError.self) { try backend.snapshot() }
        #expect(throws: StorageError.self) { try withBytes(of: [1]) { try reader.read($0) { _ in } } }
        #expect(backend.statistics().bytesInMemory == 0)
    }

    @Test func readsLendValues() throws {
        let backend = MemoryBackend(capacity: 0)
        try apply(backend, [1, 2], [3, 4, 5])
        let reader = try backend.makeReader()
        var found: [UInt8]?
        #expect(try withBytes(of: [1, 2]) { try reader.read($0) { found = $0.array } })
        #expect(found == [3, 4, 5])
        #expect(try !withBytes(of: [1]) { try reader.read($0) { _ in found = nil } })
        #expect(found == [3, 4, 5])
        #expect(backend.statistics().reads == [.memtable: 2])
    }

    @Test func outOfSpaceTakesBackAndGoesOn() throws {
        let disk = SimulatedDisk()
        let backend = try MemoryBackend.open(on: disk)
        try apply(backend, [1], [1])
        disk.fail(at: disk.calls, StorageError(.outOfSpace, "full"), isFinal: false)
        let error = #expect(throws: StorageError.self) { try apply(backend, [2], [2]) }
        #expect(error?.code == .outOfSpace)
        #expect(try backend.contents.pairs == [[1]: [1]])
        try apply(backend, [3], [3])
        #expect(try MemoryBackend.open(on: disk).contents.pairs == [[1]: [1], [3]: [3]])
    }

    @Test(arguments: [0, 1])
    func aFailedWriteOrSyncIsFinal(call: Int) throws {
        let disk = SimulatedDisk()
        let backend = try MemoryBackend.open(on: disk)
        try apply(backend, [1], [1])
        disk.fail(at: disk.calls + call, StorageError(.inputOutput, "broken"), isFinal: false)
        let error = #expect(throws: StorageError.self) { try apply(backend, [2], [2]) }
        #expect(error?.code == .inputOutput)
        let later = #expect(throws: StorageError.self) { try apply(backend, [3], [3]) }
        #expect(later?.code == .poisoned)
        let synced = #expect(throws: StorageError.self) { try backend.sync() }
        #expect(synced?.code == .poisoned)
        #expect(try backend.contents.pairs == [[1]: [1]])
    }

    /// Every call of a snapshot's writing may find the disk full: the log goes on and nothing is lost.
    @Test func aFullDiskOnlyPutsASnapshotOff() throws {
        var generator = Seeded(9)
        let workload = Workload(&generator, batches: 40)
        var call = 4  // past those that begin the log
        while true {
            let disk = SimulatedDisk()
            disk.fail(at: call, StorageError(.outOfSpace, "full"), isFinal: false)
            let backend = try MemoryBackend.open(on: disk, minimum: 400)
            for index in workload.batches.indices {
                do throws(StorageError) {
                    try workload.apply(index, to: backend, .none)
                } catch {
                    guard error.code == .outOfSpace else { break }
                    try workload.apply(index, to: backend, .none)
                }
            }
            if (try? backend.sync()) != nil {
                #expect(try backend.contents == workload.states[40])
                try? backend.close()  // its own calls may be the one that fails
            }
            let isPast = call > disk.calls
            disk.fail(at: -1, isFinal: false)
            let found = try MemoryBackend.open(on: disk).contents
            #expect(workload.states.contains(found))
            if isPast { break }
            call += 1
        }
        #expect(call > 40)
    }

    @Test func logsInARealDirectory() throws {
        let root = "/tmp/martlet-memory-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { for path in [root, root + "-copy"] { remove(path) } }
        let kind = BackendKind.memory
        let settings = BackendSettings(["log": .boolean(true), "log-minimum": .number(4096)])
        #expect(kind.needsDirectory(settings) && !kind.needsDirectory(BackendSettings()))
        func open(_ path: String) throws -> (DataDirectory, any StorageBackend) {
            let manifest = Manifest(backend: "memory", cluster: "c", node: "n")
            let directory = try DataDirectory(at: path, expecting: manifest)
            return (directory, try kind.open(BackendOpening(directory: directory, settings: settings)))
        }
        var generator = Seeded(21)
        let workload = Workload(&generator, batches: 400)
        var (directory, backend) = try open(root)
        #expect(!backend.properties.isVolatile && backend.properties.maximumDurability == .always)
        for index in workload.batches.indices {
            try workload.apply(index, to: backend, index % 50 == 0 ? .always : .interval)
            guard index % 100 == 99 else { continue }
            try backend.close()
            directory.close()
            (directory, backend) = try open(root)
            #expect(try backend.contents == workload.states[index + 1])
        }
        #expect(backend.statistics().bytesOnDisk > 0)
        try backend.checkpoint(to: root + "-copy")
        try backend.close()
        directory.close()
        let (other, copy) = try open(root + "-copy")
        #expect(try copy.contents == workload.states[400])
        try copy.close()
        other.close()
    }

    private func remove(_ root: String) {
        for name in (try? SystemLogDirectory(root: root).names()) ?? [] { unlink(root + "/" + name) }
        rmdir(root)
    }
}
