internal import CLibuv

/// The libraries this module runs with.
public enum IOLibraries {
    public static var versions: [String] { ["libuv \(unsafe String(cString: uv_version_string()))"] }
}
