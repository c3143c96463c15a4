#if !FUZZING
    import Foundation

    /// Runs the files given through the fuzz target once: what was found before stays fixed.
    @main
    struct Replay {
        static func main() {
            for path in CommandLine.arguments.dropFirst() {
                let bytes = [UInt8](FileManager.default.contents(atPath: path) ?? Data())
                _ = bytes.withUnsafeBufferPointer { fuzzOne($0.baseAddress, $0.count) }
                print("replayed", path)
            }
        }
    }
#endif
