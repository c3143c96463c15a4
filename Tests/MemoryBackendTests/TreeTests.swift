import MartletCore
import MartletRuntime
import Testing

@testable import MemoryBackend

@Suite struct TreeTests {
    /// Keys that share prefixes, are prefixes of each other, and fan out wide at some bytes.
    private func key(_ generator: inout Seeded, alphabet: UInt8, length: Int) -> [UInt8] {
        (0..<Int.random(in: 0...length, using: &generator)).map { _ in
            UInt8.random(in: 0...alphabet, using: &generator)
        }
    }

    @Test(
        arguments: [(1, 255, 3), (2, 1, 12), (3, 3, 6), (4, 40, 2), (5, 255, 1), (6, 17, 4), (7, 255, 20)]
            as [(UInt64, UInt8, Int)])
    func agreesWithReference(seed: UInt64, alphabet: UInt8, length: Int) {
        var generator = Seeded(seed)
        var tree = Tree()
        var reference = Reference()
        for round in 0..<12 {
            for _ in 0..<250 {
                let key = key(&generator, alphabet: alphabet, length: length)
                if Int.random(in: 0..<10, using: &generator) < (round % 4 == 3 ? 9 : 3) {
                    let wasThere = tree.remove(key)
                    #expect(wasThere == (reference.pairs.removeValue(forKey: key) != nil))
                } else {
                    let value = [UInt8](repeating: UInt8(round), count: Int.random(in: 0...60, using: &generator))
                    tree.put(key, value)
                    reference.pairs[key] = value
                }
            }
            #expect(tree.count == reference.pairs.count)
            #expect(tree.payload == reference.pairs.reduce(0) { $0 + $1.key.count + $1.value.count })
            #expect(Tree.pairs(below: tree.root) == reference.sorted)
            for _ in 0..<12 {
                let lower = key(&generator, alphabet: alphabet, length: length)
                let upper = key(&generator, alphabet: alphabet, length: length)
                #expect(tree.value(lower) == reference.pairs[lower])
                #expect(Tree.pairs(below: tree.root, from: lower, to: upper) == reference.range(lower, upper))
            }
        }
        for key in reference.pairs.keys.sorted(by: { $0.count < $1.count }) {
            let wasThere = tree.remove(key)
            #expect(wasThere)
        }
        #expect(tree.bytes == 0 && tree.count == 0 && tree.payload == 0)
        tree.dispose()
    }

    /// Also of an empty tree, and for keys that end within the tree or beyond its leaves.
    @Test(arguments: [(1, 255, 3), (2, 1, 12), (3, 40, 2)] as [(UInt64, UInt8, Int)])
    func touchingReadsWhatIsThereAndChangesNothing(seed: UInt64, alphabet: UInt8, length: Int) {
        var generator = Seeded(seed)
        var tree = Tree()
        for round in 0..<40 {
            let keys = (0..<Int.random(in: 0...Tree.walkers, using: &generator)).map { _ in
                key(&generator, alphabet: alphabet, length: length)
            }
            var ends: [Int] = []
            for key in keys { ends.append((ends.last ?? 0) + key.count) }
            let before = Tree.pairs(below: tree.root)
            let touched = withBytes(of: keys.flatMap { $0 }) { tree.touch($0, ends: ends, 0..<keys.count) }
            #expect(Tree.pairs(below: tree.root) == before)
            #expect((touched == 0) == (before.isEmpty || keys.isEmpty))
            for key in keys { tree.put(key, [UInt8](repeating: UInt8(round), count: round * 9)) }
        }
        tree.removeAll()
        while tree.reclaim(atMost: 100) {}
        tree.dispose()
    }

    @Test func growsAndShrinksThroughEverySize() {
        var tree = Tree()
        let all = (0...255).map { UInt8($0) }
        for order in [all, all.reversed(), all.filter { $0 % 2 == 0 } + all.filter { $0 % 2 == 1 }] {
            for withEnd in [false, true] {
                var reference = Reference()
                func check(_ byte: UInt8) {
                    let size = reference.pairs.count
                    guard size < 24 || size > 252 || byte % 16 == 0 else { return }
                    #expect(Tree.pairs(below: tree.root) == reference.sorted)
                }
                for byte in order {
                    tree.put([7, 7, byte], [byte])
                    reference.pairs[[7, 7, byte]] = [byte]
                    check(byte)
                    if withEnd, byte == 16 {
                        tree.put([7, 7], [])
                        reference.pairs[[7, 7]] = []
                        check(byte)
                    }
                }
                for byte in order {
                    let wasThere = tree.remove([7, 7, byte])
                    #expect(wasThere)
                    reference.pairs[[7, 7, byte]] = nil
                    check(byte)
                }
                let wasThere = tree.remove([7, 7])
                #expect(wasThere == withEnd)
                #expect(tree.bytes == 0)
            }
        }
        tree.dispose()
    }

    @Test func longKeysThatSharePrefixes() {
        var tree = Tree()
        let long = (0..<1024).map { UInt8(truncatingIfNeeded: $0) }
        var reference = Reference()
        for length in stride(from: 0, through: 1024, by: 31) {
            let key = Array(long.prefix(length))
            tree.put(key, [1])
            reference.pairs[key] = [1]
            tree.put(key + [255], [2])
            reference.pairs[key + [255]] = [2]
        }
        #expect(Tree.pairs(below: tree.root) == reference.sorted)
        for length in 0...1024 {
            let key = Array(long.prefix(length))
            #expect(tree.value(key) == reference.pairs[key])
        }
        for key in reference.pairs.keys {
            let wasThere = tree.remove(key)
            #expect(wasThere)
        }
        #expect(tree.bytes == 0)
        tree.dispose()
    }

    @Test func replacesValuesOfAnySize() {
        var tree = Tree()
        for length in [0, 1, 5, 6, 7, 40, 41, 5000, 3, 0, 1 << 20, 2] {
            tree.put([1, 2, 3], [UInt8](repeating: 9, count: length))
            #expect(tree.value([1, 2, 3]) == [UInt8](repeating: 9, count: length))
            #expect(tree.payload == 3 + length && tree.count == 1)
        }
        let wasThere = tree.remove([1, 2, 3])
        #expect(wasThere)
        #expect(tree.bytes == 0)
        tree.dispose()
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func frozenRootsDoNotChange(seed: UInt64) {
        var generator = Seeded(seed)
        var tree = Tree()
        var reference = Reference()
        var frozen: [(root: Link, reference: Reference)] = []
        for _ in 0..<40 {
            for _ in 0..<Int.random(in: 1...50, using: &generator) {
                let key = key(&generator, alphabet: seed % 2 == 0 ? 30 : 2, length: seed % 2 == 0 ? 3 : 8)
                if Bool.random(using: &generator) {
                    let wasThere = tree.remove(key)
                    #expect(wasThere == (reference.pairs.removeValue(forKey: key) != nil))
                } else {
                    let value = [UInt8](repeating: .random(in: 0...255, using: &generator), count: 5)
                    tree.put(key, value)
                    reference.pairs[key] = value
                }
            }
            #expect(Tree.pairs(below: tree.root) == reference.sorted)
            frozen.append((tree.freeze(), reference))
            if frozen.count > 4 {
                let released = frozen.remove(at: Int.random(in: 0..<frozen.count, using: &generator))
                #expect(Tree.pairs(below: released.root) == released.reference.sorted)
                tree.discard(released.root)
                while tree.reclaim(atMost: 3) {}
            }
        }
        for (root, reference) in frozen {
            #expect(Tree.pairs(below: root) == reference.sorted)
            tree.discard(root)
        }
        while tree.reclaim(atMost: 1000) {}
        for key in reference.pairs.keys {
            let wasThere = tree.remove(key)
            #expect(wasThere)
        }
        #expect(tree.bytes == 0)
        tree.dispose()
    }

    @Test func emptyTreeCanBeFrozen() {
        var tree = Tree()
        let root = tree.freeze()
        tree.put([], [1])
        #expect(Tree.pairs(below: root).isEmpty)
        #expect(tree.value([]) == [1])
        tree.discard(root)
        tree.removeAll()
        let isLeft = tree.reclaim(atMost: 10)
        #expect(!isLeft)
        #expect(tree.bytes == 0)
        tree.dispose()
    }
}
