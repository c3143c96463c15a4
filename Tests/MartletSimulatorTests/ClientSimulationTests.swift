import MartletClient
import MartletCore
import MartletNode
import MartletRuntime
import Testing

@testable import MartletSimulator

/// The Swift client over three nodes in virtual time: siblings, levels, merging, and nodes that go away under it.
@Suite struct ClientSimulationTests {
    @Test(arguments: UInt64(1)...4)
    func siblingsAreResolved(seed: UInt64) {
        let notes = ReplicationSimulationTests.run(seed: seed, policy: .siblings) { world, expect in
            await world.withClient(expect) { client in
                try await client.put("cart", "a")
                try await client.put("cart", "b", level: .all)
                let entry = try await client.get("cart", as: String.self)
                expect("\(entry?.siblings.map(\.value) ?? [])", "[\"b\", \"a\"]", "both, the latest first")
                expect("\(entry?.value ?? "-") \(entry?.answeredBy.count ?? 0) \(entry?.epoch ?? 0)", "b 2 1", "answer")
                let receipt = try await client.update("cart", as: String.self) { siblings in
                    siblings.map(\.value).sorted().joined()
                }
                expect("\(receipt.siblingsLeft) \(receipt.acknowledgedBy.count >= 2)", "0 true", "receipt")
                expect("\(try await client.value("cart", as: String.self) ?? "-")", "ab", "resolved")
                try await client.delete("cart", context: try await client.get("cart", as: String.self)?.context)
                expect("\(try await client.value("cart", as: String.self) ?? "-")", "-", "deleted")
                try await client.put("cart", resolving: { (old: [Sibling<String>]) in "new\(old.count)" })
                expect("\(try await client.value("cart", as: String.self) ?? "-")", "new0", "anew")
                do throws(MartletError) {
                    try await client.put("cart", "x", level: .replicas(9))
                    expect("written", "refused", "nine replicas")
                } catch {
                    expect("\(error.code) \(error.outcome)", "refused notApplied", "nine replicas")
                }
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...4)
    func mergeableValuesLoseNothing(seed: UInt64) {
        let notes = ReplicationSimulationTests.run(seed: seed, policy: .siblings) { world, expect in
            await withTaskGroup(of: Void.self) { group in
                for writer in 0..<3 {
                    group.addTask {
                        await world.withClient(expect) { client in
                            for step in 0..<5 {
                                try await client.merge(GrowOnlySet([writer * 10 + step]), into: "set")
                                try await client.update("count", from: SharedCounter()) {
                                    $0.add(step % 2 == 0 ? 3 : -1, by: "\(writer)")
                                }
                            }
                        }
                    }
                }
            }
            await world.withClient(expect) { client in
                let set = try await client.merged("set", as: GrowOnlySet<Int>.self)
                let all = (0..<3).flatMap { writer in (0..<5).map { writer * 10 + $0 } }
                expect("\(set?.elements.sorted() ?? [])", "\(all)", "the set")
                let counter = try await client.merged("count", as: SharedCounter.self)
                expect("\(counter?.value ?? -1)", "\(3 * (3 * 3 - 2))", "the counter")
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...6)
    func writesGoOnWhileANodeDiesAndAreDoneOnce(seed: UInt64) {
        let notes = ReplicationSimulationTests.run(seed: seed, policy: .siblings) { world, expect in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await world.pause(.milliseconds(Int64(20 + seed * 7)))
                    world.crash(Int(seed % 3))
                }
                for writer in 0..<4 {
                    group.addTask {
                        await world.withClient(expect) { client in
                            for step in 0..<25 {
                                try await client.put("\(writer):\(step)", step)
                                await world.pause(.milliseconds(2))
                                let entry = try await client.get("\(writer):\(step)", as: Int.self)
                                expect(
                                    "\(entry?.siblings.map(\.value) ?? [])", "[\(step)]", "\(writer):\(step), once")
                            }
                        }
                    }
                }
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test func callsGoToAnOwnerOfTheirKey() {
        let notes = ReplicationSimulationTests.run(seed: 2) { world, expect in
            await world.withClient(expect) { client in
                for key in 0..<20 { try await client.put("\(key)", key) }
                await world.pause(.milliseconds(100))
                for key in 0..<60 { try await client.put("\(key)", key) }
                let ports = await client.portsInUse
                expect("\(ports.filter { $0.hasSuffix(":27001") }.count)", "3", "each node's own port: \(ports)")
                for key in 0..<60 {
                    expect("\(try await client.value("\(key)", as: Int.self) ?? -1)", "\(key)", "read")
                }
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }
}

extension ThreeNodes {
    /// Runs `body` with a client that was given all nodes.
    func withClient(
        _ expect: @escaping ReplicationSimulationTests.Expect,
        _ body: (MartletClient) async throws -> Void
    ) async {
        do {
            let addresses = (0..<3).map { SocketAddress(host: "10.0.0.\($0 + 1)", port: 7001) }
            let client = try await MartletClient(
                addresses: addresses, on: host.loops[0], random: host.environment.random)
            try await body(client)
            await client.close()
        } catch {
            expect("\(error)", "no error", "a client")
        }
    }
}
