import Testing

@testable import bench

@Suite struct ArrivalScheduleTests {
    @Test func fixedArrivalsKeepTheirDistance() {
        var schedule = ArrivalSchedule(.fixed, rate: 1000, startNanoseconds: 5_000, seed: 1)
        #expect((0..<4).map { _ in schedule.take() } == [5_000, 1_005_000, 2_005_000, 3_005_000])
    }

    /// 3 does not divide a second: rounding each step would lose 333 ns in 1,000 arrivals.
    @Test func fixedArrivalsDoNotDrift() {
        var schedule = ArrivalSchedule(.fixed, rate: 3, startNanoseconds: 0, seed: 1)
        for _ in 0..<3_000 { _ = schedule.take() }
        #expect(schedule.take() == 1_000_000_000_000)
    }

    @Test func threadsInterleaveAFixedSchedule() {
        let taken = (0..<3).flatMap { thread in
            var schedule = ArrivalSchedule(
                .fixed, rate: 1000, startNanoseconds: 0, seed: 1, thread: thread, of: 3)
            return (0..<3).map { _ in schedule.take() }
        }
        #expect(taken.sorted() == (0..<9).map { UInt64($0) * 1_000_000 })
    }

    @Test(arguments: [1, 4])
    func poissonArrivalsHaveTheRateAndItsVariance(threads: Int) {
        let arrivals = (0..<threads).flatMap { thread in
            var schedule = ArrivalSchedule(
                .poisson, rate: 10_000, startNanoseconds: 0, seed: 5, thread: thread, of: threads)
            var due: [UInt64] = []
            while schedule.nextNanoseconds < 2_000_000_000 { due.append(schedule.take()) }
            return due
        }.sorted()
        // 20,000 expected, standard deviation 141.
        #expect(abs(arrivals.count - 20_000) < 700)
        let gaps = zip(arrivals, arrivals.dropFirst()).map { Double($1 - $0) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        // An exponential distribution's deviation is its mean.
        #expect(abs(variance.squareRoot() / mean - 1) < 0.05)
    }

    @Test func arrivalsThatWaitKeepTheirTimes() {
        var late = ArrivalSchedule(.poisson, rate: 100, startNanoseconds: 0, seed: 8)
        var onTime = ArrivalSchedule(.poisson, rate: 100, startNanoseconds: 0, seed: 8)
        let expected = (0..<100).map { _ in onTime.take() }
        #expect(late.nextNanoseconds == expected[0])
        #expect((0..<100).map { _ in late.take() } == expected)
    }

    @Test func discardCountsWhatWasDue() {
        var schedule = ArrivalSchedule(.fixed, rate: 1000, startNanoseconds: 0, seed: 1)
        _ = schedule.take()
        #expect(schedule.discard(before: 10_000_000) == 9)
        #expect(schedule.nextNanoseconds == 10_000_000)
        #expect(schedule.discard(before: 10_000_000) == 0)
    }

    /// The thousandth arrival is due after a million years: no trap.
    @Test func absurdlySlowRatesDoNotOverflow() {
        var schedule = ArrivalSchedule(.fixed, rate: 1e-12, startNanoseconds: 1 << 40, seed: 1)
        for _ in 0..<1000 { _ = schedule.take() }
        #expect(schedule.nextNanoseconds > 1 << 61)
    }
}
