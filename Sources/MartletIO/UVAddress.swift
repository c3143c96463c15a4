internal import CLibuv
internal import Glibc
internal import MartletRuntime

/// Addresses as the system has them.
enum UVAddress {
    /// Calls `body` with the address in the system's form.
    static func with<R>(_ address: SocketAddress, _ body: (UnsafePointer<sockaddr>) -> R) throws(StreamError) -> R {
        var storage = sockaddr_storage()
        let status = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            if address.isIPv6 {
                unsafe storage.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    unsafe uv_ip6_addr(address.host, Int32(address.port), $0)
                }
            } else {
                unsafe storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    unsafe uv_ip4_addr(address.host, Int32(address.port), $0)
                }
            }
        }
        guard status == 0 else { throw StreamError(errno: EINVAL, "\(address): not a numeric address") }
        return unsafe withUnsafePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0) }
        }
    }

    /// The address in words; `0.0.0.0:0` if the system does not tell.
    static func read(_ fill: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = Int32(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe fill($0, &length) }
        }
        guard status == 0 else { return SocketAddress(host: "0.0.0.0", port: 0) }
        var name = [CChar](repeating: 0, count: 64)
        let port: UInt16 = unsafe withUnsafePointer(to: &storage) { storage in
            if unsafe Int32(storage.pointee.ss_family) == AF_INET6 {
                unsafe storage.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    _ = unsafe uv_ip6_name($0, &name, name.count)
                    return unsafe UInt16(bigEndian: $0.pointee.sin6_port)
                }
            } else {
                unsafe storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    _ = unsafe uv_ip4_name($0, &name, name.count)
                    return unsafe UInt16(bigEndian: $0.pointee.sin_port)
                }
            }
        }
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return SocketAddress(host: host, port: port)
    }

    static func failure(_ what: String, _ address: SocketAddress, _ status: Int32) -> StreamError {
        StreamError(errno: -status, "cannot \(what) \(address): \(unsafe String(cString: uv_strerror(status)))")
    }
}
