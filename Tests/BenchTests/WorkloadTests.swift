import Testing

import func Glibc.pow

@testable import bench

@Suite struct ZipfianTests {
    @Test(arguments: [1, 2, 3, 9_999, 10_000, 10_001, 100_000] as [UInt64])
    func zetaAgreesWithTheSum(count: UInt64) {
        var sum = 0.0
        for rank in 0..<count { sum += pow(Double(rank) + 1, -Zipfian.theta) }
        #expect(abs(Zipfian.zeta(count) - sum) < 1e-10)
    }

    /// The two hottest ranks are exact in this algorithm, whole ranges close.
    @Test func headFrequenciesAgreeWithTheTheory() {
        let zipfian = Zipfian(count: 1000)
        var random = SplitMix64(seed: 7)
        var counts = [Int](repeating: 0, count: 1000)
        let draws = 100_000
        for _ in 0..<draws { counts[Int(zipfian.rank(random.nextUnit()))] += 1 }
        for rank in 0..<2 {
            let expected = zipfian.probability(ofRank: UInt64(rank)) * Double(draws)
            #expect(abs(Double(counts[rank]) - expected) < expected * 0.04)
        }
        for head in [10, 100, 500] {
            let expected = (0..<head).reduce(0) { $0 + zipfian.probability(ofRank: UInt64($1)) } * Double(draws)
            #expect(abs(Double(counts[..<head].reduce(0, +)) - expected) < expected * 0.06)
        }
        #expect(counts.reduce(0, +) == draws)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func fewRanksStayInRange(count: UInt64) {
        let zipfian = Zipfian(count: count)
        for unit in [0, 0.25, 0.5, 0.75, 0.999, 1.0.nextDown] { #expect(zipfian.rank(unit) < count) }
        #expect(zipfian.rank(0) == 0)
        #expect(zipfian.rank(1.0.nextDown) == count - 1)
    }

    @Test(arguments: [1, 2, 7, 1000, 4096, 65_537] as [UInt32])
    func scrambleIsAPermutation(count: UInt32) {
        let scramble = RankScramble(count: count, offset: 12_345_678_901)
        let positions = Set((0..<count).map { scramble.position(ofRank: $0) })
        #expect(positions.count == Int(count))
        #expect(positions.max() == count - 1)
    }

    @Test func scrambleSpreadsHotKeys() {
        let scramble = RankScramble(count: 1_000_000, offset: 0)
        let hot = (UInt32(0)..<10).map { Int(scramble.position(ofRank: $0)) }.sorted()
        let gaps = zip(hot, hot.dropFirst()).map { $1 - $0 }
        // Ten points spread evenly would be 100,000 apart.
        #expect(gaps.min()! > 30_000)
    }
}

@Suite struct WorkloadTests {
    private func indices(_ workload: inout Workload, _ count: Int) -> [UInt32] {
        (0..<count).compactMap { _ in
            if case .read(let index) = workload.next() { index } else { nil }
        }
    }

    @Test func uniformCoversAllKeysEvenly() {
        var workload = Workload(.uniform, keyCount: 100, absentRatio: 0, seed: 3)
        var counts = [Int](repeating: 0, count: 100)
        for index in indices(&workload, 40_000) { counts[Int(index)] += 1 }
        // 400 expected, standard deviation 20.
        #expect(counts.min()! > 310)
        #expect(counts.max()! < 490)
    }

    @Test func sequentialWrapsAround() {
        var workload = Workload(.sequential, keyCount: 3, absentRatio: 0, seed: 1)
        #expect(indices(&workload, 7) == [0, 1, 2, 0, 1, 2, 0])
    }

    @Test func sequentialThreadsShareTheKeys() {
        var first = Workload(.sequential, keyCount: 5, absentRatio: 0, seed: 1, thread: 0, of: 2)
        var second = Workload(.sequential, keyCount: 5, absentRatio: 0, seed: 1, thread: 1, of: 2)
        #expect(indices(&first, 4) == [0, 2, 4, 1])
        #expect(indices(&second, 4) == [1, 3, 0, 2])
    }

    @Test func moreThreadsThanKeysStayInRange() {
        var workload = Workload(.sequential, keyCount: 2, absentRatio: 0, seed: 1, thread: 5, of: 7)
        #expect(indices(&workload, 3) == [1, 0, 1])
    }

    @Test(arguments: Distribution.allCases)
    func aSeedRepeatsAndAnotherDiffers(distribution: Distribution) {
        var first = Workload(distribution, keyCount: 1_000_000, absentRatio: 0.5, seed: 9)
        var again = Workload(distribution, keyCount: 1_000_000, absentRatio: 0.5, seed: 9)
        var other = Workload(distribution, keyCount: 1_000_000, absentRatio: 0.5, seed: 10)
        let operations = (0..<50).map { _ in first.next() }
        #expect(operations == (0..<50).map { _ in again.next() })
        #expect(operations != (0..<50).map { _ in other.next() })
    }

    @Test func threadsDrawDifferentKeys() {
        var first = Workload(.uniform, keyCount: 1_000_000, absentRatio: 0, seed: 9, thread: 0, of: 2)
        var second = Workload(.uniform, keyCount: 1_000_000, absentRatio: 0, seed: 9, thread: 1, of: 2)
        #expect(indices(&first, 50) != indices(&second, 50))
    }

    @Test func theHottestKeyIsTheSameForAllThreads() {
        var hottest: Set<UInt32> = []
        for thread in 0..<3 {
            var workload = Workload(.zipfian, keyCount: 1000, absentRatio: 0, seed: 4, thread: thread, of: 3)
            let counts = indices(&workload, 5_000).reduce(into: [:]) { $0[$1, default: 0] += 1 }
            hottest.insert(counts.max { $0.value < $1.value }!.key)
        }
        #expect(hottest.count == 1)
    }

    @Test(arguments: [0, 0.25, 1])
    func absentRatioHolds(ratio: Double) {
        var workload = Workload(.uniform, keyCount: 10, absentRatio: ratio, seed: 2)
        let present = indices(&workload, 10_000).count
        #expect(abs(Double(10_000 - present) / 10_000 - ratio) < 0.03)
        if ratio == 0 { #expect(present == 10_000) }
        if ratio == 1 { #expect(present == 0) }
    }
}
