internal import Glibc

/// Lines over a common horizontal axis, one for each backend.
struct LineChart {
    struct Line {
        var name: String
        /// The backend's number: its colour and dashes.
        var series: Int
        var points: [(x: Double, y: Double)]
    }
    /// How values lie along an axis.
    enum Scale {
        /// From zero.
        case linear
        case logarithmic
    }
    var title: String
    var lines: [Line]
    var vertical: Scale
    /// Marks of the horizontal axis, which is linear in the points' x.
    var marks: [(x: Double, label: String)]
    var horizontalTitle: String
    var format: (Double) -> String

    private static let width = 360.0
    private static let height = 220.0
    private static let left = 54.0
    private static let right = 350.0
    private static let top = 24.0
    private static let bottom = 180.0

    func write(to page: inout Markup) {
        let values = lines.flatMap { $0.points.map(\.y) }
        let axis = Axis(vertical, values)
        let greatestX = max(lines.flatMap { $0.points.map(\.x) }.max() ?? 1, marks.map(\.x).max() ?? 0, 1e-9)
        func x(_ value: Double) -> String { Chart.number(Self.left + value / greatestX * (Self.right - Self.left)) }
        func y(_ value: Double) -> String {
            Chart.number(Self.bottom - axis.place(value) * (Self.bottom - Self.top))
        }
        page.element(
            "svg",
            ["viewBox": "0 0 \(Int(Self.width)) \(Int(Self.height))", "role": "img", "aria-label": title]
        ) { svg in
            svg.element("text", ["class": "title", "x": "0", "y": "12"], text: title)
            for mark in axis.marks {
                svg.shape(
                    "line",
                    [
                        "class": "grid", "x1": Chart.number(Self.left), "x2": Chart.number(Self.right), "y1": y(mark),
                        "y2": y(mark),
                    ])
                svg.element(
                    "text",
                    [
                        "class": "tick", "x": Chart.number(Self.left - 6),
                        "y": Chart.number(Self.bottom - axis.place(mark) * (Self.bottom - Self.top) + 3.5),
                        "text-anchor": "end",
                    ], text: mark == 0 ? "0" : format(mark))
            }
            for mark in marks {
                svg.shape(
                    "line",
                    [
                        "class": "grid", "x1": x(mark.x), "x2": x(mark.x), "y1": Chart.number(Self.top),
                        "y2": Chart.number(Self.bottom),
                    ])
                svg.element(
                    "text",
                    ["class": "tick", "x": x(mark.x), "y": Chart.number(Self.bottom + 15), "text-anchor": "middle"],
                    text: mark.label)
            }
            svg.element(
                "text",
                [
                    "class": "tick", "x": Chart.number((Self.left + Self.right) / 2),
                    "y": Chart.number(Self.bottom + 32), "text-anchor": "middle",
                ], text: horizontalTitle)
            for line in lines where !line.points.isEmpty {
                let path = line.points.enumerated().map { ($0 == 0 ? "M" : "L") + x($1.x) + " " + y($1.y) }
                svg.element(
                    "path", ["class": "line s\(line.series % Chart.palette)", "d": path.joined()]
                ) { $0.element("title", text: line.name) }
                if let last = line.points.last {
                    svg.shape(
                        "circle",
                        ["class": "fill s\(line.series % Chart.palette)", "cx": x(last.x), "cy": y(last.y), "r": "3"])
                }
            }
        }
    }
}

/// The vertical axis: which values it spans, where they lie, and its marks.
struct Axis {
    private let lower: Double
    private let upper: Double
    private let isLogarithmic: Bool
    let marks: [Double]

    init(_ scale: LineChart.Scale, _ values: [Double]) {
        let greatest = values.max() ?? 1
        switch scale {
        case .linear:
            isLogarithmic = false
            lower = 0
            let step = Self.step(max(greatest, 1e-9) / 4)
            let count = max(1, Int((greatest / step).rounded(.up)))
            upper = step * Double(count)
            marks = (0...count).map { step * Double($0) }
        case .logarithmic:
            isLogarithmic = true
            let positive = values.filter { $0 > 0 }
            let first = Int(log10(positive.min() ?? 1).rounded(.down))
            let last = max(first + 1, Int(log10(max(positive.max() ?? 10, 1e-9)).rounded(.up)))
            lower = pow(10, Double(first))
            upper = pow(10, Double(last))
            marks = (first...last).map { pow(10, Double($0)) }
        }
    }

    /// 0 at the foot of the axis, 1 at its head.
    func place(_ value: Double) -> Double {
        let share =
            isLogarithmic
            ? (log10(max(value, lower)) - log10(lower)) / (log10(upper) - log10(lower))
            : (value - lower) / (upper - lower)
        return max(0, min(1, share))
    }

    /// The least of 1, 2, 2.5, 5 times a power of ten that is not below `least`.
    private static func step(_ least: Double) -> Double {
        let power = pow(10, log10(least).rounded(.down))
        return [1, 2, 2.5, 5, 10].map { $0 * power }.first { $0 >= least * 0.999 } ?? 10 * power
    }
}
