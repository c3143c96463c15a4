internal import MartletRuntime

/// A `storage` mapping: the backend that it names, and the settings that this backend knows.
extension MappingReader {
    struct Storage {
        var kind: BackendKind
        var settings: BackendSettings
        /// The settings that the file gives, in its notation and order.
        var given: [(name: String, text: String)]
    }

    /// What `storage` says; nil, with the fault noted, if it names none of `kinds`.
    mutating func storage(_ kinds: [BackendKind]) -> Storage? {
        let words = kinds.map(\.name).joined(separator: ", ")
        guard let node = node("storage") else {
            fault("storage", "", "missing: a mapping with backend: " + words)
            return nil
        }
        guard let pairs = node.pairs else {
            fault("storage", node.shown, "a mapping with backend: " + words)
            return nil
        }
        // The backend's name decides which other settings are known.
        let engine = pairs.first { $0.key.text == Settings.backend }?.value
        guard let kind = kinds.first(where: { $0.name == engine?.text }) else {
            let line = engine?.line ?? node.line
            note([Fault(file, line, full("storage.backend"), engine?.shown ?? "", "one of " + words)])
            return nil
        }
        var inner = MappingReader(
            node, file: file, path: full("storage"), known: [Settings.backend] + kind.settings.map(\.name))
        var values: [String: BackendSettings.Value] = [:]
        for setting in kind.settings { values[setting.name] = inner.value(Setting(setting)) }
        note(inner.faults)
        let given = pairs.filter { $0.key.text != Settings.backend }.map { ($0.key.text ?? "", $0.value.shown) }
        return Storage(kind: kind, settings: BackendSettings(values), given: given)
    }
}
