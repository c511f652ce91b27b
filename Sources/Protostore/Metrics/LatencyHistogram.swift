import Histogram

/// How long things took, in two significant digits from 1 us to one minute.
/// Recording neither allocates nor waits.
package struct LatencyHistogram: Sendable {
    private static let nanosecondsMax: UInt64 = 60_000_000_000
    private var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 1024, highestTrackableValue: nanosecondsMax, numberOfSignificantValueDigits: .two)

    package init() {}

    @inline(__always)
    package mutating func record(nanoseconds: UInt64) {
        histogram.record(min(nanoseconds, Self.nanosecondsMax))
    }

    package var count: UInt64 { histogram.totalCount }

    /// Microseconds at a percentile of 0...100; 0 when nothing was recorded.
    package func microseconds(atPercentile percentile: Double) -> Double {
        histogram.totalCount == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1000
    }

    /// How many took at most so many microseconds, for those of 1, 2, 4 ... at which the number grows.
    package var cumulativeMicroseconds: [(microseconds: UInt64, count: UInt64)] {
        var result: [(microseconds: UInt64, count: UInt64)] = []
        var sum: UInt64 = 0
        for step in histogram.recordedValues() {
            sum &+= step.countAddedInThisIterationStep
            var boundary: UInt64 = 1
            while boundary < step.value / 1000 { boundary *= 2 }
            if result.last?.microseconds == boundary { result.removeLast() }
            result.append((boundary, sum))
        }
        return result
    }

    package mutating func add(_ other: LatencyHistogram) { histogram.add(other.histogram) }
    package mutating func reset() { histogram.reset() }
}

/// How many there were at a time, in two significant digits from 1 to 65,536.
package struct BatchHistogram: Sendable {
    private static let countMax: UInt64 = 65_536
    private var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 1, highestTrackableValue: countMax, numberOfSignificantValueDigits: .two)

    package init() {}

    @inline(__always)
    package mutating func record(_ count: Int) {
        histogram.record(min(UInt64(count), Self.countMax))
    }

    package func count(atPercentile percentile: Double) -> UInt64 {
        histogram.totalCount == 0 ? 0 : histogram.valueAtPercentile(percentile)
    }

    package var mean: Double { histogram.totalCount == 0 ? 0 : histogram.mean }
    package mutating func add(_ other: BatchHistogram) { histogram.add(other.histogram) }
    package mutating func reset() { histogram.reset() }
}
