import MartletNode
import MartletRuntime
import Testing

/// A node whose calendar is wrong does no harm with it.
@Suite struct ClockSimulationTests {
    @Test(arguments: UInt64(1)...6, [Duration.seconds(3600), .seconds(-3600), .milliseconds(700)])
    func itCoordinatesNoWriteUntilItsClockIsSetRight(seed: UInt64, jump: Duration) {
        let notes = ReplicationSimulationTests.run(seed: seed) { world, expect in
            await world.pause(.seconds(3))  // until everybody has heard what time it is
            for key in 0..<9 { expect(await world.call(0, ["SET", "k\(key)", "old"]), "+OK", "before") }
            world.jump(0, by: jump)
            for key in 0..<9 {
                expect(await world.call(0, ["SET", "k\(key)", "by 0"]), "+OK", "others coordinate for it")
                expect(await world.call(0, ["INCR", "n\(key)"]), ":1", "count by way of it")
                expect(await world.call(1, ["SET", "k\(key)", "later"]), "+OK", "written later")
                for node in 0..<3 { expect(await world.call(node, ["GET", "k\(key)"]), "$later", "the later holds") }
            }
            world.crash(1)
            world.crash(2)
            await world.pause(.seconds(1))
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "one"]), "+OK", "level")
            expect(await world.call(0, ["SET", "k0", "x"]), "-BUSY this node's clock", "nobody else is left")
            expect(await world.call(0, ["GET", "k0"]), "$later", "reads go on")
            world.jump(0, by: .zero - jump)
            expect(await world.call(0, ["SET", "k0", "y"]), "+OK", "set right")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...4) func oneWrongClockDoesNotStopTheOthers(seed: UInt64) {
        let notes = ReplicationSimulationTests.run(seed: seed) { world, expect in
            await world.pause(.seconds(3))
            world.jump(2, by: .seconds(86400))
            await world.pause(.seconds(5))
            for key in 0..<9 {
                expect(await world.call(key % 3, ["SET", "k\(key)", "v"]), "+OK", "by \(key % 3)")
                expect(await world.call(0, ["GET", "k\(key)"]), "$v", "read")
            }
            let offsets = [await world.clockOffset(0), await world.clockOffset(1), await world.clockOffset(2)]
            expect("\(abs(offsets[0]) < 250 && abs(offsets[1]) < 250)", "true", "\(offsets)")
            expect("\(abs(offsets[2] - 86_400_000) < 250)", "true", "\(offsets)")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }
}
