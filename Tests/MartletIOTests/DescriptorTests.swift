import Glibc
import MartletCore
import MartletIO
import MartletRuntime
import Synchronization
import Testing

/// Counts the process's descriptors, so each runs in a process of its own: other tests open some meanwhile.
@Suite struct DescriptorTests {
    @Test func stormOfConnectionsLeaksNoDescriptor() async {
        await #expect(processExitsWith: .success) {
            withLoop { _, finish in finish() }  // libuv opens some for the process with its first loop
            let before = openDescriptors()
            let closed = Atomic<Int>(0)
            withLoop { loop, finish in
                let count = 2000
                var running = 0
                var started = 0
                let listener = try loop.listen { Echo($0) { closed.wrappingAdd(1, ordering: .relaxed) } }
                let address = listener.address
                // The server hears of a close after the client.
                func finishWhenClosed() {
                    if closed.load(ordering: .relaxed) == count { return finish() }
                    loop.schedule(after: .milliseconds(1)) { finishWhenClosed() }
                }
                func next() throws {
                    while running < 200, started < count {
                        started += 1
                        running += 1
                        let number = started
                        let client = Handler()
                        client.onOpened = { client.stream?.write { $0.append("x") } }
                        client.onBytes = { _ in
                            if number % 2 == 0 { client.stream?.close() } else { client.stream?.closeAfterFlush() }
                        }
                        client.onClosed = { error in
                            precondition(error == nil)
                            running -= 1
                            try! next()
                            if running == 0 { finishWhenClosed() }
                        }
                        try loop.connect(to: address, client)
                    }
                }
                try next()
            }
            precondition(closed.load(ordering: .relaxed) == 2000)
            precondition(openDescriptors() == before, "\(openDescriptors()) descriptors, \(before) before")
        }
    }

    /// With descriptors used up, a client is turned away at once; when some are free again, the next is served.
    @Test func exhaustionTurnsClientsAway() async {
        await #expect(processExitsWith: .success) {
            withLoop { loop, finish in
                let listener = try loop.listen { Echo($0) }
                let port = listener.address.port
                Thread {
                    let served = blockingClient(port)
                    let refused = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                    var filler: [Int32] = []
                    var limit = rlimit()
                    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                    limit.rlim_cur = 256
                    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                    roundTrip(served)  // the loop has its descriptor
                    while true {
                        let descriptor = dup(served)
                        if descriptor < 0 { break }
                        filler.append(descriptor)
                    }
                    connectLoopback(refused, port)
                    precondition(readToEnd(refused).isEmpty)
                    close(refused)
                    for descriptor in filler { close(descriptor) }
                    let later = blockingClient(port)
                    roundTrip(later)
                    roundTrip(served)
                    finish()
                }
            }
        }
    }
}

private func roundTrip(_ descriptor: Int32) {
    var byte: UInt8 = 5
    precondition(send(descriptor, &byte, 1, 0) == 1)
    byte = 0
    precondition(recv(descriptor, &byte, 1, 0) == 1)
    precondition(byte == 5)
}
