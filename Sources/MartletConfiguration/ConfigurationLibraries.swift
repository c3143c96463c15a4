internal import CLibyaml

/// The libraries this module runs with.
public enum ConfigurationLibraries {
    public static var versions: [String] { ["libyaml \(unsafe String(cString: yaml_get_version_string()))"] }
}
