import Glibc
import MartletCore
import MartletRuntime
import MartletSimulator
import Testing

@Suite struct SimulatedStreamTests {
    /// Over the seeds, a short command is cut at every one of its places, and its bytes keep their order.
    @Test func commandsAreCutAnywhere() {
        let cuts = Box<Set<Int>>([])
        for seed in 0..<400 as Range<UInt64> {
            let world = SimulatedEnvironment.make(seed: seed, workers: 2)
            let reply = Box("")
            world.loops[0].post {
                _ = world.loops[0].serve { LineServer($0) { cuts.value.insert($0) } }
            }
            world.loops[1].schedule(after: .milliseconds(1)) {
                let client = Handler()
                client.onOpened = { client.stream?.write { $0.append("0123456789\n") } }
                client.onBytes = { reply.value += String(decoding: $0, as: UTF8.self) }
                world.loops[1].connect(client)
            }
            world.executor.run()
            #expect(reply.value == "10\n")
        }
        #expect(cuts.value.isSuperset(of: 1...11))
    }

    @Test func windowHoldsTheWriterBack() {
        for seed in 0..<20 as Range<UInt64> {
            let world = SimulatedEnvironment.make(seed: seed, workers: 2)
            let received = Box<[UInt8]>([])
            let drains = Box(0)
            let unsent = Box(0)
            let sent = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 >> 3) }
            world.loops[0].post {
                _ = world.loops[0].serve { stream in
                    let server = Handler()
                    stream.write { $0.append(sent) }
                    world.loops[0].schedule(after: .milliseconds(50)) { unsent.value = stream.unsentBytes }
                    server.onDrained = {
                        drains.value += 1
                        stream.closeAfterFlush()
                    }
                    return server
                }
            }
            world.loops[1].schedule(after: .milliseconds(1)) {
                let client = Handler()
                client.onOpened = {
                    client.stream?.pauseReading()
                    world.loops[1].schedule(after: .seconds(1)) { client.stream?.resumeReading() }
                }
                client.onBytes = { received.value += $0 }
                client.onClosed = { #expect($0 == nil) }
                world.loops[1].connect(client)
            }
            world.executor.run()
            #expect(received.value == sent)
            #expect(drains.value == 1)
            #expect(unsent.value > 0)
        }
    }

    @Test func nobodyListens() {
        let world = SimulatedEnvironment.make(seed: 1, workers: 1)
        let number = Box<Int32>(0)
        world.loops[0].post {
            let client = Handler()
            client.onOpened = { Issue.record("opened") }
            client.onClosed = { number.value = $0?.errno ?? 0 }
            world.loops[0].connect(client)
        }
        world.executor.run()
        #expect(number.value == ECONNREFUSED)
    }

    /// A node that crashes takes its connections with it: the peer hears a reset, and is refused afterwards.
    @Test func crashResetsPeers() {
        for seed in 0..<50 as Range<UInt64> {
            let server = SimulatedEnvironment.make(seed: seed, workers: 1)
            let client = server.makeNeighbour(workers: 1)
            let heard = Box<[Int32]>([])
            server.loops[0].post { _ = server.loops[0].serve { LineServer($0) } }
            client.loops[0].schedule(after: .milliseconds(1)) {
                let handler = Handler()
                handler.onOpened = { server.crash() }
                handler.onClosed = { error in
                    heard.value.append(error?.errno ?? 0)
                    let again = Handler()
                    again.onClosed = { heard.value.append($0?.errno ?? 0) }
                    client.loops[0].connect(again)
                }
                client.loops[0].connect(handler)
            }
            server.executor.run()
            #expect(heard.value == [ECONNRESET, ECONNREFUSED])
        }
    }

    @Test func addressInUseIsRefused() {
        let world = SimulatedEnvironment.make(seed: 1, workers: 1)
        world.loops[0].post {
            let first = world.loops[0].serve { _ in nil }
            #expect(throws: StreamError.self) { try world.loops[0].listen(on: serverAddress) { _ in nil } }
            first.close()
            #expect(throws: Never.self) { try world.loops[0].listen(on: serverAddress) { _ in nil } }
        }
        world.executor.run()
    }
}
