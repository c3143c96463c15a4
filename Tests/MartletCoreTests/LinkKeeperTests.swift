import MartletCore
import Testing

@Suite struct LinkKeeperTests {
    private static let second: UInt64 = 1_000_000_000

    private func peer(incarnation: UInt64 = 1, session: UInt64 = 1) -> LinkPeer {
        LinkPeer(
            node: 2, incarnation: incarnation, session: session, epoch: 1, features: 0, worker: 0, workers: 1)
    }

    private func wait(_ actions: [LinkKeeper.Action]) -> Duration? {
        for case .wait(let delay) in actions { return delay }
        return nil
    }

    @Test func waitsDoubleUpToTheirBound() throws {
        for jitter: UInt64 in [0, 12_345, .max] {
            var keeper = LinkKeeper(isLower: true, dials: true, settings: LinkSettings())
            var bound: Duration = .milliseconds(50)
            for attempt in 1...20 as ClosedRange<UInt64> {
                #expect(keeper.receive(.retry) == [.dial])
                _ = keeper.receive(.dialing(attempt))
                let delay = try #require(
                    wait(keeper.receive(.ended(attempt, now: attempt * Self.second, jitter: jitter))))
                #expect(delay >= bound / 2 && delay <= bound)
                bound = min(bound * 2, .seconds(5))
            }
            #expect(bound == .seconds(5))
            // A link that stood makes the next wait short again.
            _ = keeper.receive(.retry)
            _ = keeper.receive(.dialing(30))
            #expect(keeper.receive(.established(30, peer(), now: 100 * Self.second)) == [.opened(30, peer())])
            let actions = keeper.receive(.ended(30, now: 102 * Self.second, jitter: jitter))
            #expect(actions.first == .lost(30))
            #expect(try #require(wait(actions)) <= .milliseconds(50))
        }
    }

    @Test func theLowerNodesStreamWins() {
        let duplicate = LinkRefusal(.duplicate, "both nodes connected at once")
        var lower = LinkKeeper(isLower: true, dials: true, settings: LinkSettings())
        _ = lower.receive(.dialing(1))
        _ = lower.receive(.connected(1))
        #expect(lower.receive(.offered(2, peer(), now: 0)) == [.refuse(2, duplicate)])
        #expect(lower.receive(.established(1, peer(), now: 0)) == [.opened(1, peer())])
        #expect(lower.receive(.offered(3, peer(), now: Self.second)) == [.refuse(3, duplicate)])
        // Later, or of another data set, the peer has lost the link.
        let restarted = peer(incarnation: 2, session: 4)
        #expect(
            lower.receive(.offered(4, restarted, now: Self.second))
                == [.admit(4), .lost(1), .close(1), .opened(4, restarted)])
        #expect(
            lower.receive(.offered(5, peer(), now: Self.second))
                == [.admit(5), .lost(4), .close(4), .opened(5, peer())])

        var higher = LinkKeeper(isLower: false, dials: true, settings: LinkSettings())
        _ = higher.receive(.dialing(1))
        _ = higher.receive(.connected(1))
        #expect(higher.receive(.offered(2, peer(), now: 0)) == [.close(1), .admit(2), .opened(2, peer())])
        #expect(higher.receive(.ended(1, now: 0, jitter: 0)) == [])
        #expect(higher.receive(.established(1, peer(), now: 0)) == [.close(1)])
        #expect(higher.receive(.retry) == [])
    }

    @Test func aStreamThatNeverConnectedIsNoRival() {
        var lower = LinkKeeper(isLower: true, dials: true, settings: LinkSettings())
        _ = lower.receive(.dialing(1))
        #expect(lower.receive(.offered(2, peer(), now: 0)) == [.close(1), .admit(2), .opened(2, peer())])
    }

    @Test func whoDoesNotDialWaitsForThePeer() {
        var keeper = LinkKeeper(isLower: false, dials: false, settings: LinkSettings())
        #expect(keeper.receive(.retry) == [] && keeper.isIdle)
        #expect(keeper.receive(.offered(1, peer(), now: 0)) == [.admit(1), .opened(1, peer())])
        #expect(!keeper.isIdle)
        #expect(keeper.receive(.ended(1, now: 1, jitter: 1)) == [.lost(1)])
        #expect(keeper.isIdle)
    }
}
