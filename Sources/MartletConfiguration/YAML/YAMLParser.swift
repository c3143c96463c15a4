internal import CLibyaml

/// Reads one YAML document through libyaml into a tree.
///
/// Anchors, aliases and tags are refused: a setting is written where it stands. So are nesting beyond 16 levels and
/// texts beyond 1 MiB.
@safe
final class YAMLParser {
    /// Allocated, since libyaml keeps a pointer to it in itself.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let current: UnsafeMutablePointer<yaml_event_t>
    private let file: String

    static let sizeLimit = 1 << 20
    static let depthLimit = 16

    /// The document's root.
    static func parse(_ text: [UInt8], file: String) throws(ConfigurationFaults) -> YAMLNode {
        guard text.count <= sizeLimit else {
            throw ConfigurationFaults(Fault(file, 1, "", "\(text.count) bytes", "at most \(sizeLimit) bytes"))
        }
        let parser = YAMLParser(file: file)
        let result = unsafe text.withUnsafeBufferPointer { text in
            Result { () throws(ConfigurationFaults) in unsafe try parser.document(text) }
        }
        return try result.get()
    }

    private init(file: String) {
        self.file = file
        unsafe parser = .allocate(capacity: 1)
        unsafe current = .allocate(capacity: 1)
        unsafe current.initialize(to: yaml_event_t())
    }

    deinit {
        drop()  // what a fault left; nothing where the event was dropped already
        unsafe parser.deallocate()
        unsafe current.deallocate()
    }

    private var event: yaml_event_t { unsafe current.pointee }

    private func document(_ text: UnsafeBufferPointer<UInt8>) throws(ConfigurationFaults) -> YAMLNode {
        unsafe yaml_parser_initialize(parser)
        defer { unsafe yaml_parser_delete(parser) }
        unsafe yaml_parser_set_input_string(parser, text.baseAddress, text.count)
        try expect(YAML_STREAM_START_EVENT)
        try advance()
        guard unsafe event.type == YAML_DOCUMENT_START_EVENT else {
            throw fault("an empty file", "a mapping of settings")
        }
        drop()
        try advance()
        let root = try node(depth: 0)
        try expect(YAML_DOCUMENT_END_EVENT)
        try advance()
        defer { drop() }
        guard unsafe event.type == YAML_STREAM_END_EVENT else {
            throw fault("a second document", "one document a file")
        }
        return root
    }

    /// The node that the present event begins; takes all of its events.
    private func node(depth: Int) throws(ConfigurationFaults) -> YAMLNode {
        guard depth < Self.depthLimit else { throw fault("deep nesting", "at most \(Self.depthLimit) levels") }
        let line = line
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            try unsafe refuse(anchor: scalar.anchor, tag: scalar.tag)
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let text = unsafe String(decoding: bytes, as: UTF8.self)
            drop()
            return YAMLNode(content: .scalar(text), line: line)
        case YAML_SEQUENCE_START_EVENT:
            try unsafe refuse(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag)
            drop()
            var items: [YAMLNode] = []
            while try next(until: YAML_SEQUENCE_END_EVENT) { items.append(try node(depth: depth + 1)) }
            return YAMLNode(content: .sequence(items), line: line)
        case YAML_MAPPING_START_EVENT:
            try unsafe refuse(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag)
            drop()
            var pairs: [YAMLNode.Pair] = []
            while try next(until: YAML_MAPPING_END_EVENT) {
                let key = try node(depth: depth + 1)
                guard key.text != nil else {
                    throw ConfigurationFaults(Fault(file, key.line, "", key.shown, "the name of a setting"))
                }
                try advance()
                pairs.append(.init(key: key, value: try node(depth: depth + 1)))
            }
            return YAMLNode(content: .mapping(pairs), line: line)
        default:
            defer { drop() }
            throw fault("an alias", "no anchors and aliases; write the value")
        }
    }

    /// Takes the next event; false, with the event dropped, if it is `end`.
    private func next(until end: yaml_event_type_t) throws(ConfigurationFaults) -> Bool {
        try advance()
        guard unsafe event.type == end else { return true }
        drop()
        return false
    }

    private func expect(_ type: yaml_event_type_t) throws(ConfigurationFaults) {
        try advance()
        defer { drop() }
        guard unsafe event.type == type else { throw fault("more than one value", "one document") }
    }

    private func advance() throws(ConfigurationFaults) {
        guard unsafe yaml_parser_parse(parser, current) == 1 else {
            let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "cannot be read"
            let mark = unsafe parser.pointee.problem_mark
            let place = "line \(mark.line + 1), column \(mark.column + 1)"
            throw ConfigurationFaults(Fault(file, mark.line + 1, "", problem, "YAML (\(place))"))
        }
    }

    private func drop() { unsafe yaml_event_delete(current) }

    private var line: Int { unsafe event.start_mark.line + 1 }

    private func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?
    ) throws(ConfigurationFaults) {
        if unsafe anchor != nil { throw fault("an anchor", "no anchors and aliases; write the value") }
        if unsafe tag != nil { throw fault("a tag", "no tags") }
    }

    private func fault(_ value: String, _ allowed: String) -> ConfigurationFaults {
        ConfigurationFaults(Fault(file, line, "", value, allowed))
    }
}
