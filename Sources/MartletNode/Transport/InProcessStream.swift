internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// What one end of an in-process stream has been sent and has not read yet. The one thing both loops touch.
final class InProcessMailbox: Sendable {
    private struct Mail: ~Copyable {
        var bytes = ByteBuffer()
        var loop: any EventLoop
        var owner: Confined<InProcessStream>?
        var isOpened = false
        var isEnded = false
        var error: StreamError?
        var isPosted = false
    }

    /// What ``take(into:)`` found.
    struct News {
        var isOpened: Bool
        var isEnded: Bool
        var error: StreamError?
    }

    private let mail: Lock<Mail>
    /// Bytes that wait here.
    private let waiting = Atomic<Int>(0)

    init(_ loop: any EventLoop) { mail = Lock(Mail(loop: loop)) }

    var count: Int { waiting.load(ordering: .relaxed) }

    /// Whose mail it is; nil once nobody reads it.
    func setOwner(_ owner: InProcessStream?) {
        let confined = owner.map { Confined($0) }
        mail.withLock { $0.owner = confined }
    }

    func open() { change { $0.isOpened = true } }

    func end(_ error: StreamError?) {
        change { mail in
            mail.isEnded = true
            mail.error = error
        }
    }

    func move(to loop: any EventLoop) { change { $0.loop = loop } }

    /// Takes all of `bytes`, which is empty afterwards.
    func put(_ bytes: inout ByteBuffer) {
        waiting.add(bytes.count, ordering: .relaxed)
        change { mail in
            if mail.bytes.isEmpty {
                swap(&mail.bytes, &bytes)
            } else {
                bytes.withBytes { mail.bytes.append($0) }
                bytes.removeAll()
            }
        }
    }

    /// Has the owner's loop look, once for all that comes until it does.
    private func change(_ body: (inout Mail) -> Void) {
        let loop: (any EventLoop)? = mail.withLock { mail in
            body(&mail)
            if mail.isPosted { return nil }
            mail.isPosted = true
            return mail.loop
        }
        loop?.post { self.announce() }
    }

    private func announce() {
        let (owner, next): (Confined<InProcessStream>?, (any EventLoop)?) = mail.withLock { mail in
            guard mail.loop.isCurrent else { return (nil, mail.loop) }  // moved in the meantime
            mail.isPosted = false
            return (mail.owner, nil)
        }
        if let next { return next.post { self.announce() } }
        owner?.value.mailCame()
    }

    /// Exchanges what came for an empty buffer.
    func take(into buffer: inout ByteBuffer) -> News {
        mail.withLock { mail in
            swap(&mail.bytes, &buffer)
            waiting.subtract(buffer.count, ordering: .relaxed)
            return News(isOpened: mail.isOpened, isEnded: mail.isEnded, error: mail.error)
        }
    }
}

/// One end of a stream between two loops of one process.
final class InProcessStream: ByteStream {
    private enum State { case connecting, open, closed }

    let local: SocketAddress
    let peer: SocketAddress
    private var loop: any EventLoop
    private let inbox: InProcessMailbox
    private let outbox: InProcessMailbox
    private var handler: (any StreamHandler)?
    private var state = State.connecting
    private var output = ByteBuffer()
    private var input = ByteBuffer()
    private var isDirty = false
    private var wantsInput = true
    private var hasEnded = false

    init(
        _ loop: any EventLoop, inbox: InProcessMailbox, outbox: InProcessMailbox, local: SocketAddress,
        peer: SocketAddress
    ) {
        self.loop = loop
        self.inbox = inbox
        self.outbox = outbox
        self.local = local
        self.peer = peer
    }

    func becomeOpen() { state = .open }

    func begin(_ handler: any StreamHandler) {
        self.handler = handler
        inbox.setOwner(self)
        mailCame()
    }

    /// Bytes the other end has not read count as unsent: there is no system in between that would hold them.
    var unsentBytes: Int { output.count + outbox.count }

    func write<R>(_ body: (inout ByteBuffer) -> R) -> R {
        let result = body(&output)
        if !isDirty, state != .closed {
            isDirty = true
            loop.atTurnEnd { self.flush() }
        }
        return result
    }

    private func flush() {
        isDirty = false
        guard state == .open else { return }
        if !output.isEmpty { outbox.put(&output) }
    }

    // MARK: Input

    func pauseReading() { wantsInput = false }

    func resumeReading() {
        wantsInput = true
        let me = Confined(self, on: loop)
        me.post { $0.mailCame() }
    }

    /// Looks at what came, on the loop.
    func mailCame() {
        guard state != .closed, let handler, wantsInput else { return }
        let news = inbox.take(into: &input)
        if state == .connecting {
            guard news.isOpened else {
                if news.isEnded { close(news.error) }
                return
            }
            state = .open
            handler.opened()
            flush()
        }
        if !input.isEmpty, state == .open {
            // Apart, since the handler may close the stream.
            var bytes = ByteBuffer()
            swap(&bytes, &input)
            bytes.withBytes { handler.received($0) }
            bytes.removeAll()
            bytes.releaseExcess(keeping: Self.idleInput)
            swap(&bytes, &input)
        }
        // Who takes it over, should it have been given away just now, is told of the end too.
        guard news.isEnded, state == .open, !hasEnded, self.handler != nil else { return }
        hasEnded = true
        if !handler.inputEnded() { closeAfterFlush() }
    }

    /// Bytes of input memory that a stream keeps for the next exchange.
    private static let idleInput = 256 << 10

    // MARK: End

    func closeAfterFlush() {
        flush()
        close(nil)
    }

    func close() { close(nil) }

    private func close(_ error: StreamError?) {
        guard state != .closed else { return }
        state = .closed
        inbox.setOwner(nil)
        outbox.end(nil)
        output.removeAll()
        let me = Confined((self, error), on: loop)
        me.post { $0.0.announceClosed($0.1) }
    }

    private func announceClosed(_ error: StreamError?) {
        let listener = handler
        handler = nil
        listener?.closed(error)
    }

    func move(to target: any EventLoop, _ begin: @escaping @Sendable (any ByteStream) -> (any StreamHandler)?) {
        guard state == .open, output.isEmpty else { return close() }
        handler = nil
        inbox.setOwner(nil)
        // In a later step: whoever gives it away may have been called by it, and it goes on when they return.
        let here = Confined(self, on: loop)
        here.post { $0.leave(for: target, begin) }
    }

    private func leave(
        for target: any EventLoop, _ begin: @escaping @Sendable (any ByteStream) -> (any StreamHandler)?
    ) {
        loop = target
        let me = Confined(self, handedTo: target)
        inbox.move(to: target)
        target.post {
            if let handler = begin(me.value) { me.value.begin(handler) } else { me.value.close() }
        }
    }
}
