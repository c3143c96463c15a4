/// Keeps one link to one peer: when to connect, which of two links stays, how long to wait after a failure.
///
/// Both sides connect. If both do so at once, the stream that the lower node made stays: the lower node refuses the
/// other's once its own is connected, the higher one lets go of its own when the other's comes. A link that stands for
/// longer than the tie window is no rival: a peer that connects again has lost it, and the new one takes its place.
public struct LinkKeeper: Sendable {
    public enum Event: Sendable {
        /// Begin to keep a link, or the wait is over.
        case retry
        /// The stream asked for is being made.
        case dialing(UInt64)
        /// The system connected a stream made here, and its hello is on its way.
        case connected(UInt64)
        /// A stream that the peer made has proved itself.
        case offered(UInt64, LinkPeer, now: UInt64)
        /// A stream made here is open at the other end.
        case established(UInt64, LinkPeer, now: UInt64)
        /// A stream is gone, or could not be made; `jitter` is any random number.
        case ended(UInt64, now: UInt64, jitter: UInt64)
    }

    public enum Action: Sendable, Hashable {
        /// Make a stream to the peer.
        case dial
        /// Send ``Event/retry`` after so long.
        case wait(Duration)
        /// Take the stream that the peer made.
        case admit(UInt64)
        case refuse(UInt64, LinkRefusal)
        /// Close a stream that another takes the place of.
        case close(UInt64)
        /// The stream is the link from now on.
        case opened(UInt64, LinkPeer)
        /// The link that this stream was is gone; comes before any other is opened.
        case lost(UInt64)
    }

    private struct Open: Sendable {
        var stream: UInt64
        var isOurs: Bool
        var peer: LinkPeer
        var since: UInt64
    }

    private let isLower: Bool
    private let dials: Bool
    private let settings: LinkSettings
    private var dialing: UInt64?
    private var isConnected = false
    private var isWaiting = false
    private var failures = 0
    private var open: Open?

    /// - Parameters:
    ///   - isLower: whether this node's id is below the peer's.
    ///   - dials: whether this side connects at all.
    public init(isLower: Bool, dials: Bool, settings: LinkSettings) {
        self.isLower = isLower
        self.dials = dials
        self.settings = settings
    }

    /// Whether there is neither a link nor anything that may become one.
    public var isIdle: Bool { open == nil && dialing == nil && !isWaiting }

    public mutating func receive(_ event: Event) -> [Action] {
        switch event {
        case .retry:
            isWaiting = false
            return open == nil && dialing == nil && dials ? [.dial] : []
        case .dialing(let stream):
            dialing = stream
            isConnected = false
            return []
        case .connected(let stream):
            if dialing == stream { isConnected = true }
            return []
        case .offered(let stream, let peer, let now): return offered(stream, peer, now)
        case .established(let stream, let peer, let now):
            guard dialing == stream else { return [.close(stream)] }
            dialing = nil
            return replace(with: Open(stream: stream, isOurs: true, peer: peer, since: now))
        case .ended(let stream, let now, let jitter): return ended(stream, now, jitter)
        }
    }

    private mutating func offered(_ stream: UInt64, _ peer: LinkPeer, _ now: UInt64) -> [Action] {
        let duplicate = LinkRefusal(.duplicate, "both nodes connected at once")
        if isLower {
            if dialing != nil, isConnected { return [.refuse(stream, duplicate)] }
            let window = settings.tieWindow.wholeNanoseconds
            if let open, open.isOurs, open.peer.incarnation == peer.incarnation, now < open.since &+ window {
                return [.refuse(stream, duplicate)]
            }
        }
        var actions: [Action] = []
        if let rival = dialing {
            dialing = nil
            actions.append(.close(rival))
        }
        actions.append(.admit(stream))
        return actions + replace(with: Open(stream: stream, isOurs: false, peer: peer, since: now))
    }

    private mutating func replace(with next: Open) -> [Action] {
        var actions: [Action] = []
        if let open { actions = [.lost(open.stream), .close(open.stream)] }
        open = next
        return actions + [.opened(next.stream, next.peer)]
    }

    private mutating func ended(_ stream: UInt64, _ now: UInt64, _ jitter: UInt64) -> [Action] {
        var actions: [Action] = []
        if dialing == stream {
            dialing = nil
        } else if let link = open, link.stream == stream {
            if now &- link.since >= settings.provenAfter.wholeNanoseconds { failures = 0 }
            open = nil
            actions.append(.lost(stream))
        } else {
            return []
        }
        guard open == nil, dials, !isWaiting else { return actions }
        isWaiting = true
        actions.append(.wait(backoff(jitter)))
        return actions
    }

    /// Half of a bound that doubles with each failure, and a random part of the other half, so that nodes that lost one
    /// peer do not come back in step.
    private mutating func backoff(_ jitter: UInt64) -> Duration {
        let bound = min(settings.longestBackoff, settings.firstBackoff * (1 << min(failures, 16)))
        failures += 1
        let half = bound.wholeNanoseconds / 2
        return .nanoseconds(Int64(clamping: half + jitter % (half + 1)))
    }
}

extension Duration {
    /// Nanoseconds, none if it is below zero; clamped.
    var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product + UInt64(attoseconds) / 1_000_000_000
    }
}
