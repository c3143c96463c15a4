import Glibc
import MartletCore
import MartletIO
import MartletRuntime
import Synchronization
import Testing

@Suite struct ExecutorTests {
    /// An actor that lives on a loop.
    private actor Counter {
        nonisolated let loop: UVEventLoop
        private var value = 0
        init(_ loop: UVEventLoop) { self.loop = loop }
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
        func add(_ amount: Int) -> Int {
            loop.checkIsolated()
            value += amount
            return value
        }
        /// Entered from a callback, without a task.
        nonisolated func addNow(_ amount: Int) -> Int {
            assumeIsolated { counter in
                counter.value += amount
                return counter.value
            }
        }
    }

    @Test func callbackEntersTheActorWithoutATask() {
        let sum = Atomic<Int>(0)
        withLoop { loop, finish in
            let counter = Counter(loop)
            let listener = try loop.listen { stream in
                let server = Handler()
                server.stream = stream
                server.onBytes = { bytes in
                    sum.store(counter.addNow(bytes.count), ordering: .relaxed)
                    stream.close()
                }
                return server
            }
            let client = Handler()
            client.onOpened = { client.stream?.write { $0.append("four") } }
            client.onClosed = { _ in finish() }
            try loop.connect(to: listener.address, client)
        }
        #expect(sum.load(ordering: .relaxed) == 4)
    }

    @Test func taskNeverLeavesItsLoop() async {
        let loop = UVEventLoop.start(name: "test")
        let counter = Counter(loop)
        let off = Atomic<Int>(0)
        let total = await Task(executorPreference: loop) {
            var total = 0
            for _ in 0..<1000 {
                total = await counter.add(1)
                if !loop.isCurrent { off.wrappingAdd(1, ordering: .relaxed) }
                await Task.yield()
                if !loop.isCurrent { off.wrappingAdd(1, ordering: .relaxed) }
            }
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<10 { group.addTask { loop.isCurrent } }
                for await isCurrent in group where !isCurrent { off.wrappingAdd(1, ordering: .relaxed) }
            }
            return total
        }.value
        #expect(total == 1000)
        #expect(off.load(ordering: .relaxed) == 0)
        loop.stop()
    }

    /// Work of each thread runs in the order it was posted.
    @Test func postsOfAThreadKeepTheirOrder() {
        let loop = UVEventLoop.start(name: "test")
        let threads = 4
        let each = 5000
        let seen = Lock([Int](repeating: 0, count: threads))
        let disorder = Atomic<Int>(0)
        let left = Atomic<Int>(threads * each)
        let done = Gate()
        for thread in 0..<threads {
            Thread {
                for number in 0..<each {
                    loop.post {
                        seen.withLock { seen in
                            if seen[thread] != number { disorder.wrappingAdd(1, ordering: .relaxed) }
                            seen[thread] = number + 1
                        }
                        if left.wrappingSubtract(1, ordering: .relaxed).newValue == 0 { done.open() }
                    }
                }
            }
        }
        done.wait()
        loop.stop()
        #expect(disorder.load(ordering: .relaxed) == 0)
        #expect(seen.withLock { $0 } == [Int](repeating: each, count: threads))
    }

    /// Actors of several loops call each other.
    @Test func callsCrossLoops() async {
        let loops = (0..<3).map { UVEventLoop.start(name: "test-\($0)") }
        let counters = loops.map { Counter($0) }
        await withTaskGroup(of: Void.self) { group in
            for loop in loops {
                group.addTask(executorPreference: loop) {
                    for round in 0..<500 { _ = await counters[round % 3].add(1) }
                }
            }
        }
        var sum = 0
        for counter in counters { sum += await counter.add(0) }
        #expect(sum == 1500)
        for loop in loops { loop.stop() }
    }

    /// A turn: jobs until none is left, then its end, and jobs that the end made, before anything is sent.
    @Test func turnRunsInItsOrder() {
        let order = Lock<[String]>([])
        withLoop { loop, finish in
            loop.atTurnEnd {
                order.withLock { $0.append("end") }
                loop.post { order.withLock { $0.append("job of the end") } }
            }
            loop.post {
                order.withLock { $0.append("first") }
                loop.post {
                    order.withLock { $0.append("third") }
                    loop.schedule(after: .zero) { finish() }
                }
            }
            loop.post { order.withLock { $0.append("second") } }
        }
        #expect(order.withLock { $0 } == ["first", "second", "third", "end", "job of the end"])
    }

    @Test func loopKnowsItsThread() {
        let other = UVEventLoop.start(name: "other")
        #expect(!other.isCurrent)
        #expect(other.isIsolatingCurrentContext() == false)
        withLoop { loop, finish in
            #expect(loop.isCurrent)
            #expect(loop.isIsolatingCurrentContext() == true)
            #expect(!other.isCurrent)
            finish()
        }
        other.stop()
    }

    @Test func stoppingFromItselfTraps() async {
        await #expect(processExitsWith: .failure) {
            let loop = UVEventLoop.start(name: "test")
            loop.post { loop.stop() }
            Gate().wait()
        }
    }
}
