import Foundation
import MartletConfiguration
import MartletRuntime
import Testing

@testable import MartletLauncher

@Suite struct PlanTests {
    /// Backends by name alone: a comparison file names them, nothing opens them here.
    private static let kinds = ["memory", "lmdb", "rocksdb"].map { name in
        BackendKind(
            name: name, summary: "", version: "", needsDirectory: { _ in name != "memory" },
            settings: [
                BackendSetting("log", .boolean, default: .boolean(false), text: "false", help: "")
            ],
            open: { _ throws(StorageError) in throw StorageError(.invalidSetting, "not opened here") })
    }

    private func parse(_ text: String) throws -> ComparisonConfiguration {
        try ComparisonConfiguration.parse(Array(text.utf8), file: "x.yaml", kinds: Self.kinds)
    }

    @Test func theFileInConfigsSaysWhatRunsWithoutAFile() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("Configs/compare.yaml"), encoding: .utf8)
        let configuration = try parse(text)
        #expect(ComparePlan(configuration, isFull: false) == .short)
        #expect(ComparePlan(configuration, isFull: true) == .full)
    }

    @Test func aFileMayNameItsBackendsAlone() throws {
        let plan = ComparePlan(
            try parse("backends:\n  - name: one\n    storage: {backend: memory, log: true}\n"), isFull: false)
        #expect(plan.backends.map(\.name) == ["one"])
        #expect(plan.backends[0].settings == [.init(name: "log", value: "true")])
        #expect(plan.dataSets == ComparePlan.short.dataSets)
    }

    @Test func allFaultsAreNamedWithTheirLines() {
        let text = """
            backends:
              - name: a
                storage: {backend: nothing}
              - name: b
                storage: {backend: lmdb, lock: true}
            durability: sometimes
            short:
              rate: 170
              data_sets:
                - name: x
                  workloads: [A, load, Z, C purple]
            """
        do {
            _ = try parse(text)
            Issue.record("accepted")
        } catch let faults as ConfigurationFaults {
            #expect(faults.faults.map(\.line) == [3, 5, 6, 8, 11, 11, 11])
            #expect(
                faults.description.contains("x.yaml:3: backends[0].storage.backend: 'nothing': one of memory, lmdb"))
        } catch {
            Issue.record(error)
        }
    }

    @Test func aNodesFileHoldsItsSettings() {
        let backend = ComparePlan.Backend(
            name: "memory-log", engine: "memory", settings: [.init(name: "log", value: "true")])
        let text = NodeFile(backend: backend, durability: "always", cacheBytes: 4096).text
        #expect(
            text.contains(
                "    durability: always\n    cache: 4096B\n    storage:\n      backend: memory\n      log: true\n"))
    }
}
