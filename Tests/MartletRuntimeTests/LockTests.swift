import MartletRuntime
import Testing

@Suite struct LockTests {
    @Test func noIncrementIsLost() async {
        let lock = Lock(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<5000 { lock.withLock { $0 += 1 } }
                }
            }
        }
        #expect(lock.withLock { $0 } == 40_000)
    }

    @Test func anErrorReleasesIt() {
        struct Failed: Error {}
        let lock = Lock([1])
        #expect(throws: Failed.self) {
            try lock.withLock { value throws(Failed) in
                value.append(2)
                throw Failed()
            }
        }
        #expect(lock.withLock { $0 } == [1, 2])
    }

    @Test func theValueDiesWithIt() {
        final class Witness: Sendable {}
        weak var witness: Witness?
        do {
            let lock = Lock(Witness())
            witness = lock.withLock { $0 }
            #expect(witness != nil)
            withExtendedLifetime(lock) {}
        }
        #expect(witness == nil)
    }
}
