import Glibc
import MartletCore
import MartletIO
import MartletRuntime
import Synchronization
import Testing

@Suite struct StreamTests {
    @Test func echoesOverLoopback() {
        let result = Lock<[UInt8]>([])
        withLoop { loop, finish in
            let listener = try loop.listen { Echo($0) }
            let client = Handler()
            client.onOpened = { client.stream?.write { $0.append("hello") } }
            client.onBytes = { bytes in
                let all = result.withLock { result in
                    result += bytes
                    return result.count
                }
                if all == 5 { client.stream?.closeAfterFlush() }
            }
            client.onClosed = { error in
                #expect(error == nil)
                listener.close()
                finish()
            }
            try loop.connect(to: listener.address, client)
        }
        #expect(result.withLock { $0 } == Array("hello".utf8))
    }

    @Test func reassemblesWhatIsWrittenInPieces() {
        let sent = (0..<2000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let result = Lock<[UInt8]>([])
        withLoop { loop, finish in
            let listener = try loop.listen { Echo($0) }
            let client = Handler()
            var next = 0
            func writeOne() {  // one byte a turn
                guard next < sent.count else { return }
                client.stream?.write { $0.append(sent[next]) }
                next += 1
                loop.schedule(after: .zero) { writeOne() }
            }
            client.onOpened = { writeOne() }
            client.onBytes = { bytes in
                result.withLock { $0 += bytes }
                if result.withLock({ $0.count }) == sent.count { client.stream?.close() }
            }
            client.onClosed = { _ in finish() }
            try loop.connect(to: listener.address, client)
        }
        #expect(result.withLock { $0 } == sent)
    }

    /// More than the sockets' buffers hold goes to a peer that reads nothing at first: the rest waits, and is told.
    @Test func slowReaderHoldsTheWriterBack() {
        let total = 24 << 20
        let received = Atomic<Int>(0)
        let unsentAtMost = Atomic<Int>(0)
        let drains = Atomic<Int>(0)
        withLoop { loop, finish in
            let server = Handler()
            let client = Handler()
            let listener = try loop.listen { stream in
                server.stream = stream
                let chunk = [UInt8](repeating: 7, count: 1 << 20)
                for _ in 0..<24 { stream.write { $0.append(chunk) } }
                loop.schedule(after: .milliseconds(1)) {
                    unsentAtMost.store(stream.unsentBytes, ordering: .relaxed)
                    client.stream?.resumeReading()
                }
                return server
            }
            server.onDrained = {
                drains.wrappingAdd(1, ordering: .relaxed)
                server.stream?.closeAfterFlush()
            }
            client.onBytes = { bytes in
                let ok = bytes.allSatisfy { $0 == 7 }
                #expect(ok)
                received.wrappingAdd(bytes.count, ordering: .relaxed)
            }
            client.onClosed = { error in
                #expect(error == nil)
                finish()
            }
            try loop.connect(to: listener.address, client)
            client.stream?.pauseReading()
        }
        #expect(received.load(ordering: .relaxed) == total)
        #expect(unsentAtMost.load(ordering: .relaxed) > 0)
        #expect(drains.load(ordering: .relaxed) == 1)
    }

    /// While reading is paused nothing arrives, though the peer wrote; after it resumes, all does.
    @Test func pauseHoldsInputBack() {
        let whilePaused = Atomic<Int>(0)
        let later = Atomic<Int>(0)
        withLoop { loop, finish in
            let server = Handler()
            var isPaused = false
            let listener = try loop.listen { stream in
                server.stream = stream
                return server
            }
            let client = Handler()
            server.onBytes = { bytes in
                if isPaused {
                    whilePaused.wrappingAdd(bytes.count, ordering: .relaxed)
                } else if bytes.contains(1) {
                    isPaused = true
                    server.stream?.pauseReading()
                    server.stream?.write { $0.append(9 as UInt8) }
                } else {
                    later.wrappingAdd(bytes.count, ordering: .relaxed)
                    client.stream?.close()
                }
            }
            client.onOpened = { client.stream?.write { $0.append(1 as UInt8) } }
            client.onBytes = { _ in
                client.stream?.write { $0.append(2 as UInt8) }
                // The byte is in the server's socket a few turns before this timer; it must not be handed over.
                loop.schedule(after: .milliseconds(20)) {
                    isPaused = false
                    server.stream?.resumeReading()
                }
            }
            client.onClosed = { _ in finish() }
            try loop.connect(to: listener.address, client)
        }
        #expect(whilePaused.load(ordering: .relaxed) == 0)
        #expect(later.load(ordering: .relaxed) == 1)
    }

    @Test func refusedConnectionIsTold() {
        let number = Atomic<Int32>(0)
        withLoop { loop, finish in
            let listener = try loop.listen { _ in nil }
            let address = listener.address
            listener.close()
            let client = Handler()
            client.onOpened = { Issue.record("opened") }
            client.onClosed = { error in
                number.store(error?.errno ?? 0, ordering: .relaxed)
                finish()
            }
            try loop.connect(to: address, client)
        }
        #expect(number.load(ordering: .relaxed) == ECONNREFUSED)
    }

    @Test func wordsAreNoAddress() {
        withLoop { loop, finish in
            #expect(throws: StreamError.self) {
                try loop.connect(to: SocketAddress(host: "not.numeric", port: 1), Handler())
            }
            finish()
        }
    }

    @Test func refusingHandlerClosesTheConnection() {
        withLoop { loop, finish in
            let listener = try loop.listen { _ in nil }
            let client = Handler()
            client.onClosed = { _ in
                listener.close()
                finish()
            }
            try loop.connect(to: listener.address, client)
        }
    }

    @Test func ipv6Works() throws {
        let probe = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_addr.__in6_u.__u6_addr8.15 = 1
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(probe, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
        close(probe)
        guard status == 0 else { return }  // a machine without IPv6
        withLoop { loop, finish in
            let listener = try loop.listen(on: SocketAddress(host: "::1", port: 0)) { stream in
                #expect(stream.peer.host == "::1")
                #expect(stream.local == SocketAddress(host: "::1", port: stream.local.port))
                return Echo(stream)
            }
            #expect(listener.address.host == "::1")
            #expect(listener.address.port != 0)
            let client = Handler()
            client.onOpened = { client.stream?.write { $0.append("x") } }
            client.onBytes = { _ in client.stream?.close() }
            client.onClosed = { _ in finish() }
            try loop.connect(to: listener.address, client)
        }
    }
}
