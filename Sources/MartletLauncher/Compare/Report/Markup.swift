/// HTML and SVG being written. Text is escaped where it enters; tags are the writer's own.
struct Markup {
    private(set) var text = ""

    /// Appends markup as it is: only what this program wrote itself.
    mutating func raw(_ markup: String) { text += markup }

    /// Appends text that may hold anything.
    mutating func escaped(_ content: String) { text += Self.escape(content) }

    /// Appends an element with escaped attributes and markup inside.
    mutating func element(
        _ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ body: (inout Markup) -> Void
    ) {
        open(name, attributes)
        text += ">"
        body(&self)
        text += "</\(name)>"
    }

    /// Appends an element with escaped attributes and text inside.
    mutating func element(_ name: String, _ attributes: KeyValuePairs<String, String> = [:], text content: String) {
        element(name, attributes) { $0.escaped(content) }
    }

    /// Appends an SVG element without content.
    mutating func shape(_ name: String, _ attributes: KeyValuePairs<String, String>) {
        open(name, attributes)
        text += "/>"
    }

    private mutating func open(_ name: String, _ attributes: KeyValuePairs<String, String>) {
        text += "<\(name)"
        for (key, value) in attributes { text += " \(key)=\"\(Self.escape(value))\"" }
    }

    /// The text with what has a meaning in HTML replaced, in content and in quoted attributes.
    static func escape(_ content: String) -> String {
        var escaped = ""
        for character in content.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            // Control characters have no place in a page; a lost one is shown.
            case "\0"..."\u{8}", "\u{b}", "\u{c}", "\u{e}"..."\u{1f}", "\u{7f}": escaped += "\u{fffd}"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
