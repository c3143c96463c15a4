internal import MartletIO
internal import MartletRuntime
internal import MartletSimulator

/// Clusters that are left alone, one size after the other, in this process: a line for each.
enum IdleReport {
    static func run(_ settings: IdleSettings, _ seeds: [UInt64]) -> Int32 {
        let clock = SystemClock()
        var hasFailed = false
        for seed in seeds {
            Terminal.line("seed \(seed): left alone for \(shown(settings.span)), \(settings.loss) % of messages lost")
            Terminal.line(
                "  nodes  together  messages/s a node (most)  held for dead  one silent: first, all know  back  took")
            for size in settings.sizes {
                let begin = clock.monotonic
                let result = IdleSimulation.run(settings, nodes: size, seed: seed)
                line(result, took: clock.monotonic.since(begin))
                for violation in result.violations { Terminal.line("  FAILED: \(violation)") }
                hasFailed = hasFailed || !result.violations.isEmpty
            }
        }
        return hasFailed ? ExitCode.failed : ExitCode.ok
    }

    private static func line(_ result: IdleResult, took: Duration) {
        let load = "\(tenths(result.messagesPerSecond)) (\(tenths(result.mostPerSecond)))"
        let silence = "\(shown(result.firstKnew)), \(shown(result.allKnew))"
        let cells = [
            ("\(result.nodes)", 7), (shown(result.formed), 10), (load, 26), ("\(result.falseDeaths)", 15),
            (silence, 29),
            (shown(result.allForgave), 8), (shown(took), 6),
        ]
        Terminal.line(
            cells.map { text, width in String(repeating: " ", count: max(0, width - text.count)) + text }.joined())
    }

    private static func tenths(_ number: Double) -> String {
        let whole = Int((number * 10).rounded())
        return "\(whole / 10).\(whole % 10)"
    }

    private static func shown(_ duration: Duration?) -> String {
        duration.map { "\(tenths(Double($0.inNanoseconds) / 1e9))s" } ?? "-"
    }
}
