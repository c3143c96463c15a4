/// A node of a parsed file, with where it stands.
struct YAMLNode {
    enum Content {
        case scalar(String)
        case sequence([YAMLNode])
        case mapping([Pair])
    }
    /// A setting of a mapping.
    struct Pair {
        var key: YAMLNode
        var value: YAMLNode
    }
    var content: Content
    /// Counted from 1.
    var line: Int

    /// The text of a scalar.
    var text: String? {
        if case .scalar(let text) = content { text } else { nil }
    }

    /// The settings of a mapping.
    var pairs: [Pair]? {
        if case .mapping(let pairs) = content { pairs } else { nil }
    }

    /// What stands here, for a message.
    var shown: String {
        switch content {
        case .scalar(let text): text
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}
