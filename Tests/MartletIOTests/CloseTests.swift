import Glibc
import MartletCore
import MartletIO
import MartletRuntime
import Synchronization
import Testing

@Suite struct CloseTests {
    /// A client that shut its half down still gets what its requests brought, now or later.
    @Test(arguments: [false, true]) func halfClosedClientGetsItsReply(isLate: Bool) {
        let reply = Lock<[UInt8]>([])
        let gate = Gate()
        withLoop { loop, finish in
            let server = Handler()
            let listener = try loop.listen { stream in
                server.stream = stream
                return server
            }
            server.onBytes = { bytes in if !isLate { server.stream?.write { $0.append("reply") } } }
            server.onEnd = {
                guard isLate else { return false }
                loop.schedule(after: .milliseconds(5)) {
                    server.stream?.write { $0.append("reply") }
                    server.stream?.closeAfterFlush()
                }
                return true
            }
            server.onClosed = { error in
                #expect(error == nil)
                finish()
            }
            let port = listener.address.port
            _ = Thread {
                let descriptor = blockingClient(port)
                _ = "ask".withCString { send(descriptor, $0, 3, 0) }
                shutdown(descriptor, Int32(SHUT_WR))
                reply.withLock { $0 = readToEnd(descriptor) }
                close(descriptor)
                gate.open()
            }
        }
        gate.wait()
        #expect(reply.withLock { $0 } == Array("reply".utf8))
    }

    /// `close` drops what was not sent and tells the handler once, after the caller returned.
    @Test func closeTellsOnceAndLater() {
        let closed = Atomic<Int>(0)
        withLoop { loop, finish in
            let listener = try loop.listen { Echo($0) }
            let client = Handler()
            client.onOpened = {
                let stream = client.stream!
                stream.write { $0.append("lost") }
                stream.close()
                #expect(closed.load(ordering: .relaxed) == 0)
                stream.close()
                stream.closeAfterFlush()
                stream.write { $0.append("into the void") }
                stream.pauseReading()
                stream.resumeReading()
                #expect(stream.local.port == 0)
                loop.schedule(after: .milliseconds(5)) { finish() }
            }
            client.onClosed = { error in
                #expect(error == nil)
                closed.wrappingAdd(1, ordering: .relaxed)
            }
            try loop.connect(to: listener.address, client)
        }
        #expect(closed.load(ordering: .relaxed) == 1)
    }

    /// The last words arrive even if the peer's input was never read.
    @Test func closeAfterFlushDeliversLastWords() {
        let heard = Lock<[UInt8]>([])
        let gate = Gate()
        withLoop { loop, finish in
            let server = Handler()
            let listener = try loop.listen { stream in
                server.stream = stream
                stream.pauseReading()
                return server
            }
            let port = listener.address.port
            _ = Thread {
                let descriptor = blockingClient(port)
                let flood = [UInt8](repeating: 1, count: 100_000)
                _ = send(descriptor, flood, flood.count, 0)
                loop.post {
                    server.stream?.write { $0.append("-ERR go away") }
                    server.stream?.closeAfterFlush()
                }
                heard.withLock { $0 = readToEnd(descriptor) }
                close(descriptor)
                gate.open()
            }
            server.onClosed = { _ in finish() }
        }
        gate.wait()
        #expect(heard.withLock { $0 } == Array("-ERR go away".utf8))
    }

    @Test func resetIsAnError() {
        let number = Atomic<Int32>(0)
        withLoop { loop, finish in
            let server = Handler()
            let listener = try loop.listen { stream in
                server.stream = stream
                return server
            }
            server.onClosed = { error in
                number.store(error?.errno ?? 0, ordering: .relaxed)
                finish()
            }
            let port = listener.address.port
            _ = Thread {
                let descriptor = blockingClient(port)
                var linger = linger(l_onoff: 1, l_linger: 0)  // closing resets
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
                close(descriptor)
            }
        }
        #expect(number.load(ordering: .relaxed) == ECONNRESET)
    }

    /// A loop that stops closes its streams, tells their handlers and leaves no descriptor.
    @Test func stopClosesEverything() {
        let closed = Atomic<Int>(0)
        let loop = UVEventLoop.start(name: "test")
        let ready = Gate()
        loop.post {
            let server = Handler()
            server.onClosed = { _ in closed.wrappingAdd(1, ordering: .relaxed) }
            let client = Handler()
            client.onClosed = { _ in closed.wrappingAdd(1, ordering: .relaxed) }
            do {
                let listener = try loop.listen { stream in
                    server.stream = stream
                    ready.open()
                    return server
                }
                try loop.connect(to: listener.address, client)
            } catch { Issue.record(error) }
            loop.schedule(after: .seconds(3600)) { Issue.record("a timer outlived its loop") }
        }
        ready.wait()
        loop.stop()
        loop.stop()
        #expect(closed.load(ordering: .relaxed) == 2)
    }

    /// Two loops of a process share a port; another process's attempt is refused, as a plain socket's is here.
    @Test func loopsShareAPort() {
        let second = UVEventLoop.start(name: "second")
        withLoop { loop, finish in
            let listener = try loop.listen { Echo($0) }
            let address = listener.address
            second.post {
                #expect(throws: Never.self) { try second.listen(on: address) { Echo($0) } }
                let plain = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                #expect(bindLoopback(plain, address.port) == -1)
                #expect(errno == EADDRINUSE)
                close(plain)
                finish()
            }
        }
        second.stop()
    }
}
