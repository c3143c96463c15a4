import Glibc
import MartletCore
import Testing

@testable import MartletLauncher

@Suite struct WorkloadTests {
    private static func counts(_ distribution: KeyDistribution, records: Int, draws: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: records)
        var chooser = KeyChooser(distribution, records: records)
        var random = WorkloadRandom(seed: 11)
        for _ in 0..<draws { counts[chooser.next(records: records, &random)] += 1 }
        return counts
    }

    @Test func zipfianFollowsItsLaw() {
        let ranks = 1000
        let zipfian = Zipfian(count: ranks)
        var random = WorkloadRandom(seed: 5)
        var counts = [Int](repeating: 0, count: ranks)
        let draws = 400_000
        for _ in 0..<draws { counts[zipfian.next(&random)] += 1 }
        let zeta = (1...ranks).reduce(0.0) { $0 + 1 / power(Double($1), Zipfian.theta) }
        // The two first ranks are drawn exactly; further ones by Gray's approximation, here within a fifth by ranges.
        for rank in 0..<2 {
            let expected = Double(draws) / power(Double(rank + 1), Zipfian.theta) / zeta
            #expect(abs(Double(counts[rank]) - expected) < expected * 0.05, "rank \(rank): \(counts[rank])")
        }
        for range in [2..<10, 10..<100, 100..<1000] {
            let expected = range.reduce(0.0) { $0 + Double(draws) / power(Double($1 + 1), Zipfian.theta) / zeta }
            let found = Double(counts[range].reduce(0, +))
            #expect(abs(found - expected) < expected * 0.2, "ranks \(range): \(found), expected \(expected)")
        }
    }

    @Test func growingAZipfianIsTheSameAsMakingItLarge() {
        var grown = Zipfian(count: 10)
        grown.grow(to: 500)
        let made = Zipfian(count: 500)
        var one = WorkloadRandom(seed: 1)
        var other = WorkloadRandom(seed: 1)
        for _ in 0..<1000 { #expect(grown.next(&one) == made.next(&other)) }
    }

    @Test func scrambledZipfianHasScatteredHotRecords() {
        let counts = Self.counts(.zipfian, records: 10_000, draws: 200_000)
        let order = counts.indices.sorted { counts[$0] > counts[$1] }
        // Under YCSB's zeta of ten billion ranks the hottest takes 1 / 26.47 of all.
        #expect(abs(Double(counts[order[0]]) / 200_000 - 1 / 26.47) < 0.004)
        #expect(order.prefix(10).max()! - order.prefix(10).min()! > 1000)
    }

    @Test func uniformReachesAllAlike() {
        let counts = Self.counts(.uniform, records: 100, draws: 100_000)
        #expect(counts.allSatisfy { abs($0 - 1000) < 200 })
    }

    @Test func latestPrefersTheNewest() {
        let counts = Self.counts(.latest, records: 1000, draws: 100_000)
        #expect(counts[999] == counts.max())
        #expect(counts[900...].reduce(0, +) > 50_000)
    }

    @Test(arguments: zip(Workload.allCases, [0.0, 0.5, 0.95, 1, 0.95, 0.5]))
    func mixesHaveTheirShareOfReads(workload: Workload, share: Double) {
        var random = WorkloadRandom(seed: 2)
        let reads = (0..<20_000).count { _ in workload.request(&random) == .read }
        #expect(abs(Double(reads) / 20_000 - share) < 0.02)
    }

    @Test func aValueIsKnownByItsKeyAndEveryByteOfIt() {
        for size in [24, 100, 1000] {
            let bytes = RecordBytes(valueSize: size, seed: 9)
            var buffer = ByteBuffer()
            bytes.appendValue(77, version: 5, to: &buffer)
            #expect(buffer.count == size)
            var value = buffer.copy()
            #expect(withBytes(of: value) { bytes.version(of: $0, record: 77) } == 5)
            #expect(withBytes(of: value) { bytes.version(of: $0, record: 78) } == nil)
            for position in [0, 9, size / 2, size - 1] {
                value[position] ^= 1
                #expect(withBytes(of: value) { bytes.version(of: $0, record: 77) } == nil, "byte \(position)")
                value[position] ^= 1
            }
            #expect(withBytes(of: Array(value.dropLast())) { bytes.version(of: $0, record: 77) } == nil)
        }
    }

    @Test func keysAreDistinctAndOfOneSize() {
        var seen: Set<[UInt8]> = []
        for record in 0..<20_000 {
            var buffer = ByteBuffer()
            RecordBytes.appendKey(record, to: &buffer)
            #expect(buffer.count == RecordBytes.keySize)
            seen.insert(buffer.copy())
        }
        #expect(seen.count == 20_000)
    }

    @Test func recordsCountOnceAllBeforeThemAreThere() {
        var records = AcknowledgedRecords(existing: 10)
        let begun = (0..<4).map { _ in records.begin() }
        #expect(begun == [10, 11, 12, 13])
        records.finish(12)
        records.finish(11)
        #expect(records.count == 10)
        records.finish(10)
        #expect(records.count == 13)
        records.finish(13)
        #expect(records.count == 14)
    }

    private func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}
