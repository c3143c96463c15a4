internal import CLZ4
internal import CSodium
internal import CZstd

/// The libraries this module runs with.
public enum NodeLibraries {
    public static var versions: [String] {
        [
            "lz4 \(unsafe String(cString: LZ4_versionString()))",
            "zstd \(unsafe String(cString: ZSTD_versionString()))",
            "libsodium \(unsafe String(cString: sodium_version_string()))",
        ]
    }
}
