import MartletCore
import Testing

@Suite struct PeerClocksTests {
    private func reference(own: Int64, _ others: [Int64]) -> Int64? {
        var clocks = PeerClocks()
        for (index, clock) in others.enumerated() { clocks.note(UInt32(index), wall: clock, now: 0, roundTrip: 0) }
        return clocks.reference(own: own)
    }

    @Test func aMajorityOfClocksIsRight() {
        #expect(reference(own: 0, []) == nil)
        #expect(reference(own: 9000, [1, 0]) == 1)
        #expect(reference(own: 0, [9000, 1]) == 1)
        #expect(reference(own: 0, [9000, 9001, 1]) == 1, "two against two: nobody is wrong")
        #expect(reference(own: 9000, [0, 9001, 1]) == 9000)
        #expect(reference(own: 9000, [0, 2, 1]) == 2)
        #expect(reference(own: -50, [7]) == -50, "of two, each is right for itself")
    }

    @Test func aSlowAnswerTellsNothingAndANewOneReplacesTheOld() {
        var clocks = PeerClocks()
        clocks.note(1, wall: 5000, now: 0, roundTrip: 201)
        clocks.note(1, wall: 5000, now: 0, roundTrip: -1)
        #expect(clocks.reference(own: 0) == nil)
        clocks.note(1, wall: 5000, now: 1000, roundTrip: 100)
        clocks.note(2, wall: 4000, now: 1000, roundTrip: 0)
        #expect(clocks.reference(own: 9000) == 4050)
        clocks.note(1, wall: 3000, now: 1000, roundTrip: 0)
        #expect(clocks.reference(own: 9000) == 3000)
    }

    @Test func noMoreAreKeptThanAreNeeded() {
        var clocks = PeerClocks()
        for node in 0..<1000 { clocks.note(UInt32(node), wall: Int64(node), now: 0, roundTrip: 0) }
        #expect(clocks.reference(own: 1 << 40) == 985, "the median of the last 31 and the own")
        clocks.note(7, wall: .max, now: .min, roundTrip: 0)  // what somebody else says must not trap
        #expect(clocks.reference(own: 0) != nil)
    }
}
