import MartletCore

/// Bytes of a peer: as they are, as the payloads of whole frames, and as the messages of a handshake on either side.
///
/// The first byte says which, and where the bytes are split.
func fuzzLinks(_ bytes: [UInt8]) {
    guard let mode = bytes.first else { return }
    let rest = Array(bytes.dropFirst())
    switch mode % 4 {
    case 0:
        let split = Int(mode) % max(1, rest.count)
        precondition(frames(in: rest, pieces: [rest.count]) == frames(in: rest, pieces: [split, rest.count - split]))
    case 1: fuzzRoundTrip(rest)
    case 2: fuzzHandshake(rest, isAcceptor: true)
    default: fuzzHandshake(rest, isAcceptor: false)
    }
}

/// The frames that come out when the bytes arrive in these pieces, and how it ended.
private func frames(in bytes: [UInt8], pieces: [Int]) -> [[UInt8]] {
    let parser = FrameParser(longest: 4096)
    var input = ByteBuffer()
    var found: [[UInt8]] = []
    var position = 0
    for piece in pieces {
        input.append(Array(bytes[position..<position + piece]))
        position += piece
        do throws(FrameError) {
            var end = 0
            repeat {
                end = try input.withBytes { input throws(FrameError) -> Int in
                    guard case .frame(let header, let payload) = try parser.next(input, at: 0) else { return 0 }
                    found.append(fields(header) + input.extracting(payload).array)
                    return payload.upperBound
                }
                input.consume(end)
            } while end > 0
        } catch {
            return found + [Array(error.description.utf8)]
        }
    }
    return found
}

/// A header as bytes, to be compared.
private func fields(_ header: MessageHeader) -> [UInt8] {
    var buffer = ByteBuffer(capacity: 32)
    buffer.append(littleEndian: header.kind.rawValue)
    buffer.append(littleEndian: header.request)
    buffer.append(littleEndian: header.deadline)
    buffer.append(littleEndian: header.epoch)
    buffer.append(littleEndian: header.stamp)
    return buffer.copy()
}

/// Cuts the bytes into payloads by their first byte each, and into headers; all must come back as they were.
private func fuzzRoundTrip(_ bytes: [UInt8]) {
    var buffer = ByteBuffer()
    var expected: [[UInt8]] = []
    for payload in messages(in: bytes) {
        let number = payload.reduce(UInt64(payload.count)) { $0 &* 31 &+ UInt64($1) }
        let header = MessageHeader(
            kind: MessageKind(rawValue: UInt16(truncatingIfNeeded: number)), request: number,
            deadline: UInt32(truncatingIfNeeded: number >> 7), epoch: number &* 3, stamp: ~number)
        let isTaken = Frame.append(header, to: &buffer) { $0.append(payload) }
        precondition(isTaken)
        expected.append(fields(header) + payload)
    }
    let whole = buffer.copy()
    precondition(frames(in: whole, pieces: [whole.count]) == expected)
    let split = bytes.isEmpty ? 0 : Int(bytes[0]) * 7 % (whole.count + 1)
    precondition(frames(in: whole, pieces: [split, whole.count - split]) == expected)
    if !whole.isEmpty {  // one bit wrong is never taken for what was sent
        var damaged = whole
        damaged[split % whole.count] ^= 1
        precondition(frames(in: damaged, pieces: [damaged.count]) != expected)
    }
}

private func messages(in bytes: [UInt8]) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var rest = bytes[...]
    while let length = rest.popFirst() {
        found.append(Array(rest.prefix(Int(length))))
        rest = rest.dropFirst(Int(length))
    }
    return found
}

/// An authenticator that takes little time; what is under test is who reads the bytes.
private struct Sum: LinkAuthenticator {
    func code(for message: [UInt8]) -> [UInt8] {
        [UInt8(truncatingIfNeeded: message.reduce(0) { $0 &* 31 &+ Int($1) }), 7]
    }
    func verifies(_ code: [UInt8], for message: [UInt8]) -> Bool { code == self.code(for: message) }
}

private func identity(_ node: UInt32) -> LinkIdentity {
    LinkIdentity(
        cluster: "c", node: node, incarnation: 1, digest: [UInt8](repeating: 1, count: LinkHello.digestLength),
        workers: 1, authenticator: Sum())
}

/// Plays a true handshake, in which the input takes the place of, or comes between, the messages of one side.
private func fuzzHandshake(_ bytes: [UInt8], isAcceptor: Bool) {
    var honest = LinkHandshake(
        isAcceptor ? .initiator(target: 2, wanted: 0) : .acceptor, identity: identity(1), worker: 0, session: 1
    ) { 5 }
    var tested = LinkHandshake(
        isAcceptor ? .acceptor : .initiator(target: 1, wanted: 0), identity: identity(2), worker: 0, session: 2
    ) { 6 }
    var toTested = isAcceptor ? honest.begin() : []
    if !isAcceptor { toTested = answer(&honest, to: tested.begin()) }
    for (index, message) in messages(in: bytes).enumerated() {
        if message.first == 0 {  // the honest side's turn
            let replies = deliver(&tested, toTested)
            toTested = answer(&honest, to: replies)
            continue
        }
        // Bytes of the input laid over an honest message, or on their own.
        var payload = message
        if index % 2 == 0, case .send(_, let honestPayload)? = toTested.first {
            payload = honestPayload
            for (place, byte) in message.enumerated() where place < payload.count {
                payload[(place * 37 + Int(message[0])) % payload.count] ^= byte
            }
        }
        let kind = MessageKind(rawValue: 0xFF00 | UInt16((message.first ?? 0) % 8))
        _ = withBytes(of: payload) { tested.receive(kind, $0) }
    }
}

/// Hands one side's messages to the other.
private func deliver(_ side: inout LinkHandshake, _ actions: [LinkHandshake.Action]) -> [LinkHandshake.Action] {
    var replies: [LinkHandshake.Action] = []
    for case .send(let kind, let payload) in actions {
        replies += withBytes(of: payload) { side.receive(kind, $0) }
    }
    if replies.contains(where: { if case .offer = $0 { true } else { false } }) { replies += side.admit() }
    return replies
}

private func answer(_ side: inout LinkHandshake, to actions: [LinkHandshake.Action]) -> [LinkHandshake.Action] {
    deliver(&side, actions)
}
