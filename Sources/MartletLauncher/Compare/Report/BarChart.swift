/// Horizontal bars, one for each backend, with their values written out.
struct BarChart {
    struct Bar {
        var name: String
        /// The backend's number: its colour.
        var series: Int
        /// nil where there is nothing to show.
        var value: Double?
        var label: String
    }
    var title: String
    var bars: [Bar]

    private static let width = 360.0
    private static let row = 28.0
    private static let left = 92.0
    private static let right = 74.0

    func write(to page: inout Markup) {
        let height = 22 + Self.row * Double(bars.count)
        page.element(
            "svg",
            [
                "viewBox": "0 0 \(Int(Self.width)) \(Int(height))", "role": "img",
                "aria-label": title + ": " + bars.map { "\($0.name) \($0.label)" }.joined(separator: ", "),
            ]
        ) { svg in
            svg.element("text", ["class": "title", "x": "0", "y": "12"], text: title)
            let greatest = bars.compactMap(\.value).max() ?? 0
            for (index, bar) in bars.enumerated() {
                let top = 22 + Self.row * Double(index)
                let middle = Chart.number(top + Self.row / 2 + 4)
                svg.element(
                    "text", ["x": Chart.number(Self.left - 8), "y": middle, "text-anchor": "end"],
                    text: Chart.shortened(bar.name, to: 14))
                let room = Self.width - Self.left - Self.right
                let length = greatest > 0 ? max(2, (bar.value ?? 0) / greatest * room) : 0
                if bar.value != nil, length > 0 {
                    svg.shape(
                        "rect",
                        [
                            "class": "fill s\(bar.series % Chart.palette)", "x": Chart.number(Self.left),
                            "y": Chart.number(top + 5), "width": Chart.number(length),
                            "height": Chart.number(Self.row - 10), "rx": "3",
                        ])
                }
                svg.element(
                    "text",
                    [
                        "class": bar.value == nil ? "muted" : "value",
                        "x": Chart.number(Self.left + (bar.value == nil ? 0 : length) + 6), "y": middle,
                    ], text: bar.label)
            }
        }
    }
}

/// What the charts share.
enum Chart {
    /// Colours that are told apart; a further backend begins anew.
    static let palette = 6

    /// A coordinate with one decimal place.
    static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }

    static func shortened(_ text: String, to length: Int) -> String {
        text.count <= length ? text : text.prefix(length - 1) + "…"
    }
}
