/// Something that answers commands: a server at the end of a connection.
protocol Peer: AnyObject {
    /// Sends all commands at once, in pieces that `dice` cuts, and takes their replies.
    func exchange(_ steps: [Step], _ dice: inout Dice) throws -> [Reply]
}

final class WirePeer: Peer {
    private let wire: Wire

    init(port: UInt16) throws { wire = try Wire(port: port) }

    func exchange(_ steps: [Step], _ dice: inout Dice) throws -> [Reply] {
        let bytes = steps.flatMap { Wire.encode($0.arguments) }
        var start = 0
        while start < bytes.count {
            // mostly large pieces, sometimes a few bytes, so that every place of a command is a place to be cut at
            let most = dice.one(in: 4) ? 7 : 4000
            let end = min(bytes.count, start + Int.random(in: 1...most, using: &dice))
            wire.send(bytes[start..<end])
            start = end
        }
        return try steps.filter(\.isAnswered).map { _ in try wire.reply() }
    }
}
