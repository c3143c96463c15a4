internal import Foundation
internal import Glibc

/// A process that runs some seeds and tells of each.
final class SimulateChild {
    private let process: Int32
    private let output: Int32
    private let seeds: [UInt64]
    private var text: [UInt8] = []
    private var finished: Set<UInt64> = []
    private(set) var hasEnded = false
    /// How it ended, in words.
    private(set) var end = ""

    /// Starts this executable once more; nil if the system refuses.
    init?(path: String, first: UInt64, count: Int) {
        var ends: [Int32] = [0, 0]
        guard pipe2CloseOnExec(&ends) else { return nil }
        let arguments = ["/proc/self/exe", "simulate", path, "--seed", "\(first)", "--count", "\(count)", "--json"]
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var child: pid_t = 0
        let status = unsafe posix_spawn(&child, arguments[0], &actions, nil, &words, environ)
        close(ends[1])
        guard status == 0 else {
            close(ends[0])
            return nil
        }
        process = child
        output = ends[0]
        seeds = (0..<UInt64(count)).map { first &+ $0 }
    }

    /// Waits until one of them has something to say, or has ended.
    static func awaitInput(of children: [SimulateChild]) {
        guard !children.isEmpty else { return }
        var descriptors = children.map { pollfd(fd: $0.output, events: Int16(POLLIN), revents: 0) }
        _ = unsafe poll(&descriptors, nfds_t(descriptors.count), 200)
    }

    /// Whole lines that have come; takes note of its end.
    func readLines() -> [String] {
        var descriptor = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&descriptor, 1, 0) > 0 {
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            let count = unsafe Glibc.read(output, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                finish()
                break
            }
            text += chunk[..<count]
        }
        var lines: [String] = []
        while let end = text.firstIndex(of: 10) {
            lines.append(String(decoding: text[..<end], as: UTF8.self))
            text.removeSubrange(...end)
        }
        return lines
    }

    private func finish() {
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        close(output)
        hasEnded = true
        end =
            status & 0x7f == 0
            ? "the process ended with code \(status >> 8 & 0xff)" : "the process died of signal \(status & 0x7f)"
    }

    func note(_ seed: UInt64) { finished.insert(seed) }

    /// The seed it was at when it ended before its time; nil if it did all.
    var unfinished: UInt64? { seeds.first { !finished.contains($0) } }

    /// The seeds that come after one.
    func rest(after seed: UInt64) -> ArraySlice<UInt64> {
        guard let index = seeds.firstIndex(of: seed) else { return [] }
        return seeds[(index + 1)...]
    }
}
