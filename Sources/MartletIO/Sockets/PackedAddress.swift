internal import Glibc
internal import MartletRuntime

/// An IP address and port in 24 bytes: what a stream keeps of its peer until somebody asks for the text.
struct PackedAddress: Equatable {
    /// The 16 bytes of the address in memory order; IPv4 in the first four.
    private var words: (UInt64, UInt64) = (0, 0)
    private var port: UInt16 = 0
    var isIPv6 = false

    static func == (a: Self, b: Self) -> Bool { a.words == b.words && a.port == b.port && a.isIPv6 == b.isIPv6 }

    /// 0.0.0.0:0
    init() {}

    init(_ address: SocketAddress) throws(StreamError) {
        port = address.port
        isIPv6 = address.isIPv6
        let family = isIPv6 ? AF_INET6 : AF_INET
        guard unsafe inet_pton(family, address.host, &words) == 1 else {
            throw StreamError(errno: EINVAL, "\(address.host) is not a numeric address")
        }
    }

    init(_ storage: sockaddr_storage) {
        var storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET:
            unsafe withUnsafeBytes(of: &storage) { bytes in
                let address = unsafe bytes.loadUnaligned(as: sockaddr_in.self)
                words.0 = UInt64(UInt32(littleEndian: address.sin_addr.s_addr)).littleEndian
                port = UInt16(bigEndian: address.sin_port)
            }
        case AF_INET6:
            unsafe withUnsafeBytes(of: &storage) { bytes in
                port = unsafe UInt16(bigEndian: bytes.loadUnaligned(as: sockaddr_in6.self).sin6_port)
                words.0 = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                words.1 = unsafe bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                isIPv6 = true
            }
        default: break
        }
    }

    var address: SocketAddress {
        var words = words
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        unsafe inet_ntop(isIPv6 ? AF_INET6 : AF_INET, &words, &text, socklen_t(text.count))
        let host = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return SocketAddress(host: String(decoding: host, as: UTF8.self), port: port)
    }

    /// Lends the address as the system wants it.
    func withSystemAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var storage = sockaddr_storage()
        let length = isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        return unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            if isIPv6 {
                var address = sockaddr_in6()
                address.sin6_family = sa_family_t(AF_INET6)
                address.sin6_port = port.bigEndian
                unsafe bytes.storeBytes(of: address, as: sockaddr_in6.self)
                unsafe bytes.storeBytes(of: words.0, toByteOffset: 8, as: UInt64.self)
                unsafe bytes.storeBytes(of: words.1, toByteOffset: 16, as: UInt64.self)
            } else {
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = port.bigEndian
                address.sin_addr.s_addr = UInt32(truncatingIfNeeded: words.0)
                unsafe bytes.storeBytes(of: address, as: sockaddr_in.self)
            }
            return unsafe body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(length))
        }
    }
}
