import Glibc

/// Which parser takes the input, by the environment: `commands`, the default, or `links`.
private let target = getenv("MARTLET_FUZZ").map { String(cString: $0) } ?? "commands"

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    if target == "links" { fuzzLinks(bytes) } else { fuzzCommands(bytes) }
    return 0
}
