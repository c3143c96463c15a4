internal import CSodium
public import MartletCore

/// The cluster secret as links use it: codes are HMAC-SHA-512-256 (libsodium's `crypto_auth`) under a key derived from
/// the secret's text.
public struct ClusterSecret: LinkAuthenticator {
    private let key: [UInt8]

    /// - Parameter text: the secret; any bytes but none.
    public init(_ text: [UInt8]) {
        precondition(!text.isEmpty)
        let status = sodium_init()
        precondition(status >= 0, "libsodium cannot start")
        var key = [UInt8](repeating: 0, count: Int(crypto_auth_KEYBYTES))
        let context = Array("martlet cluster secret".utf8)
        unsafe crypto_generichash(&key, key.count, text, UInt64(text.count), context, context.count)
        self.key = key
    }

    public func code(for message: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: Int(crypto_auth_BYTES))
        unsafe crypto_auth(&code, message, UInt64(message.count), key)
        return code
    }

    public func verifies(_ code: [UInt8], for message: [UInt8]) -> Bool {
        guard code.count == Int(crypto_auth_BYTES) else { return false }
        return unsafe crypto_auth_verify(code, message, UInt64(message.count), key) == 0
    }
}
