import MartletCore
import MartletNode

/// What follows key and value in SET, or the key in GETEX.
struct SetOptions {
    enum Deadline {
        case none
        /// Seconds or milliseconds from now.
        case seconds, milliseconds
        /// Seconds or milliseconds since 1970.
        case secondsAt, millisecondsAt
    }

    enum Command { case set, getex }

    var onlyIfAbsent = false
    var onlyIfPresent = false
    var returnsOld = false
    var keepsExpiry = false
    var removesExpiry = false
    var deadline = Deadline.none
    /// Which argument holds the deadline's number.
    var deadlineArgument = 0

    /// Nil if they are not ones that can stand together; the syntax error has been appended.
    ///
    /// As Redis, an option may come again, and the last number counts.
    static func parse(_ input: RawSpan, _ call: Invocation, _ command: Command) -> SetOptions? {
        var options = SetOptions()
        var at = command == .set ? 3 : 2
        while at < call.count {
            let taken = options.take(input.extracting(call[at]), isLast: at == call.count - 1, command)
            guard let taken else {
                call.reply.refuse(Refusal.syntax)
                return nil
            }
            if taken == 2 { options.deadlineArgument = at + 1 }
            at += taken
        }
        return options
    }

    /// How many arguments the option is, with itself; nil if it may not stand here.
    private mutating func take(_ word: RawSpan, isLast: Bool, _ command: Command) -> Int? {
        if command == .set {
            if word.isWord("nx"), !onlyIfPresent {
                onlyIfAbsent = true
                return 1
            }
            if word.isWord("xx"), !onlyIfAbsent {
                onlyIfPresent = true
                return 1
            }
            if word.isWord("get") {
                returnsOld = true
                return 1
            }
            if word.isWord("keepttl"), deadline == .none {
                keepsExpiry = true
                return 1
            }
        } else if word.isWord("persist"), deadline == .none {
            removesExpiry = true
            return 1
        }
        guard !isLast, !keepsExpiry, !removesExpiry, let kind = Self.deadline(word) else { return nil }
        guard deadline == .none || deadline == kind else { return nil }
        deadline = kind
        return 2
    }

    static func deadline(_ word: RawSpan) -> Deadline? {
        if word.isWord("ex") { return .seconds }
        if word.isWord("px") { return .milliseconds }
        if word.isWord("exat") { return .secondsAt }
        if word.isWord("pxat") { return .millisecondsAt }
        return nil
    }
}

extension Invocation {
    /// The instant that a deadline option's number stands for; nil if it is none, and the refusal is appended.
    ///
    /// `command` is the name in that refusal.
    func expiry(
        _ input: RawSpan, _ index: Int, _ deadline: SetOptions.Deadline, command: StaticString
    ) -> Expiry? {
        guard let number = integer(input, index) else { return nil }
        let inSeconds = deadline == .seconds || deadline == .secondsAt
        let isRelative = deadline == .seconds || deadline == .milliseconds
        var (instant, overflows) = inSeconds ? number.multipliedReportingOverflow(by: 1000) : (number, false)
        if number > 0, !overflows, isRelative {
            (instant, overflows) = instant.addingReportingOverflow(transaction.nowMilliseconds)
        }
        guard number > 0, !overflows else {
            refuseExpireTime(command)
            return nil
        }
        return Expiry(instant: instant)
    }

    func refuseExpireTime(_ command: StaticString) {
        reply.buffer.append("-ERR invalid expire time in '")
        reply.buffer.append(command)
        reply.buffer.append("' command\r\n")
    }
}

extension Expiry {
    /// An instant that a client named: the last millisecond there is stands for never here, so it becomes the one
    /// before.
    init(instant: Int64) { self.init(milliseconds: min(instant, .max - 1)) }
}
