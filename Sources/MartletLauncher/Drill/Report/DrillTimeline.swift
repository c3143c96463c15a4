/// The steps of a run by their letters: those at the same time share one.
struct DrillSteps {
    private(set) var letters: [(seconds: Double, letter: String)] = []

    init(_ run: DrillReport.Run) {
        for event in run.events where event.isStep && event.seconds <= run.seconds {
            if let last = letters.last, event.seconds - last.seconds < 0.05 { continue }
            let number = letters.count
            let letter = Character(Unicode.Scalar(UInt8(65 + number % 26)))
            letters.append((event.seconds, String(letter) + (number < 26 ? "" : "\(number / 26)")))
        }
    }

    /// The letter of the steps at a time; nil if there are none.
    func letter(at seconds: Double) -> String? {
        letters.last { $0.seconds <= seconds && seconds - $0.seconds < 0.05 }?.letter
    }
}

/// A row for each node that shows over the time what it was, and how many others took it for dead.
struct DrillTimeline {
    let run: DrillReport.Run
    let steps: DrillSteps

    private static let width = 1100.0
    private static let left = 150.0
    private static let right = 1090.0
    private static let row = 34.0
    private static let top = 26.0

    private var length: Double {
        max(run.seconds, run.events.last?.seconds ?? 0, run.nodes.flatMap { $0.states.map(\.to) }.max() ?? 0, 1e-3)
    }

    private func x(_ seconds: Double) -> Double {
        Self.left + min(max(0, seconds), length) / length * (Self.right - Self.left)
    }

    func write(to page: inout Markup) {
        let bottom = Self.top + Self.row * Double(run.nodes.count)
        page.element(
            "svg",
            [
                "class": "wide", "viewBox": "0 0 \(Int(Self.width)) \(Int(bottom + 54))", "role": "img",
                "aria-label": "What each node was over the time of the drill",
            ]
        ) { svg in
            for (index, node) in run.nodes.enumerated() {
                write(node, top: Self.top + Self.row * Double(index), to: &svg)
            }
            writeSteps(bottom, to: &svg)
            writeAxis(bottom, to: &svg)
            writeLegend(bottom + 46, to: &svg)
        }
    }

    private func write(_ node: DrillReport.Node, top: Double, to svg: inout Markup) {
        let name = node.name + (node.backend.isEmpty ? "" : " · \(node.backend)")
        svg.element(
            "text", ["x": Chart.number(Self.left - 10), "y": Chart.number(top + 15), "text-anchor": "end"],
            text: Chart.shortened(name, to: 22))
        for span in node.states {
            bar(span, Self.style(span.text), top: top, height: 18, span.text, to: &svg)
        }
        for span in node.doubts {
            bar(span, "doubt", top: top + 20, height: 5, "taken for dead or suspect by \(span.text)", to: &svg)
        }
    }

    private func bar(
        _ span: DrillReport.Span, _ style: String, top: Double, height: Double, _ title: String, to svg: inout Markup
    ) {
        let from = x(span.from)
        svg.element(
            "rect",
            [
                "class": style, "x": Chart.number(from), "y": Chart.number(top),
                "width": Chart.number(max(1, x(span.to) - from)), "height": Chart.number(height),
            ]
        ) { rect in
            let time = "\(Figures.digits(span.from)) to \(Figures.digits(span.to)) s"
            rect.element("title", text: "\(title), \(time)")
        }
    }

    private static func style(_ state: String) -> String {
        switch state {
        case "up": "up"
        case "down": "down"
        case "paused": "paused"
        case "cut off": "cut"
        default: "other"
        }
    }

    private func writeSteps(_ bottom: Double, to svg: inout Markup) {
        for step in steps.letters {
            let at = Chart.number(x(step.seconds))
            svg.shape(
                "line", ["class": "event", "x1": at, "x2": at, "y1": "16", "y2": Chart.number(bottom)])
            if steps.letters.count <= 60 {
                svg.element("text", ["x": at, "y": "12", "text-anchor": "middle"], text: step.letter)
            }
        }
    }

    private func writeAxis(_ bottom: Double, to svg: inout Markup) {
        let step = [1.0, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].first { length / $0 <= 14 } ?? 7200
        var at = 0.0
        while at <= length {
            svg.element(
                "text",
                ["class": "tick", "x": Chart.number(x(at)), "y": Chart.number(bottom + 14), "text-anchor": "middle"],
                text: "\(Int(at)) s")
            at += step
        }
        if run.seconds < length {
            svg.element(
                "text",
                [
                    "class": "tick", "x": Chart.number(x(run.seconds)), "y": Chart.number(bottom + 27),
                    "text-anchor": "end",
                ], text: "load ended")
        }
    }

    private func writeLegend(_ y: Double, to svg: inout Markup) {
        var at = Self.left
        let kinds = [
            ("up", "up"), ("down", "down"), ("paused", "paused"), ("cut", "cut off"),
            ("other", "catching up, slow disk, wrong clock"), ("doubt", "taken for dead or suspect by others"),
        ]
        for (style, name) in kinds {
            svg.shape(
                "rect",
                [
                    "class": style, "x": Chart.number(at), "y": Chart.number(y - 9), "width": "12", "height": "10",
                ])
            svg.element("text", ["class": "tick", "x": Chart.number(at + 17), "y": Chart.number(y)], text: name)
            at += 40 + 6.2 * Double(name.count)
        }
    }
}
