internal import Glibc

/// The value of an environment variable.
func environmentVariable(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
}

#if !FUZZING
    /// Without libFuzzer: gives the files named to the chosen target, so that a find can be tried in any build.
    ///
    /// `swift run MartletFuzz FILE...`
    @main
    struct Replay {
        static func main() {
            for path in CommandLine.arguments.dropFirst() {
                FuzzTarget.chosen.run(contents(path))
                print("\(path): ok")
            }
        }

        private static func contents(_ path: String) -> [UInt8] {
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
            precondition(descriptor >= 0, "\(path) cannot be opened")
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = unsafe read(descriptor, &chunk, chunk.count)
                guard count > 0 else { return bytes }
                bytes.append(contentsOf: chunk[..<count])
            }
        }
    }
#endif
