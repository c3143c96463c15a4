import MartletCore
import MartletRuntime

/// Which sessions CLIENT KILL ends.
struct ClientFilter {
    private var id: Int64?
    private var peer: String?
    private var local: String?
    private var isNormal = true
    private var skipsOwn = true

    func takes(_ session: Session, own: Session) -> Bool {
        if let peer, session.peer.description != peer { return false }
        if let local, session.local.description != local { return false }
        if let id, Int64(clamping: session.id) != id { return false }
        return isNormal && !(skipsOwn && session === own)
    }

    /// Nil if the options are none; the error has been appended.
    static func parse(_ input: RawSpan, _ call: Invocation) -> ClientFilter? {
        var filter = ClientFilter()
        if call.count == 3 {  // the old form, with which one can end oneself
            filter.peer = input.extracting(call[2]).text
            filter.skipsOwn = false
            return filter
        }
        for index in stride(from: 2, to: call.count, by: 2) {
            guard index + 1 < call.count else {
                call.reply.refuse(Refusal.syntax)
                return nil
            }
            guard filter.take(input, call, index) else { return nil }
        }
        return filter
    }

    private mutating func take(_ input: RawSpan, _ call: Invocation, _ index: Int) -> Bool {
        let option = input.extracting(call[index])
        let value = input.extracting(call[index + 1])
        if option.isWord("id") {
            let refusal: StaticString = "ERR client-id should be greater than 0"
            guard let number = call.integer(input, index + 1, else: refusal) else { return false }
            guard number > 0 else {
                call.reply.refuse(refusal)
                return false
            }
            id = number
        } else if option.isWord("type") {
            guard let normal = Self.isNormal(input, call, index + 1) else { return false }
            isNormal = normal
        } else if option.isWord("addr") {
            peer = value.text
        } else if option.isWord("laddr") {
            local = value.text
        } else if option.isWord("user") {
            guard withBytes(of: "default", { value.equals($0) }) else {
                call.reply.refuse("ERR No such user '", quoting: value, "'")
                return false
            }
        } else if option.isWord("skipme"), value.isWord("yes") || value.isWord("no") {
            skipsOwn = value.isWord("yes")
        } else {
            call.reply.refuse(Refusal.syntax)
            return false
        }
        return true
    }

    /// Whether a client type is the one that all sessions here have; nil if there is no such type, and the error is
    /// appended.
    static func isNormal(_ input: RawSpan, _ call: Invocation, _ index: Int) -> Bool? {
        let word = input.extracting(call[index])
        if word.isWord("normal") { return true }
        if word.isWord("slave") || word.isWord("replica") || word.isWord("pubsub") || word.isWord("master") {
            return false
        }
        call.reply.refuse("ERR Unknown client type '", quoting: word, "'")
        return nil
    }
}
