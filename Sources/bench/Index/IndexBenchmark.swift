import ArgumentParser
import Protostore

/// `bench index`: the index alone, on one core, at every doubling of its keys.
///
/// Keys are XXH3 of a counter. Inserts go in batches of 64 that are fetched
/// ahead, as a loop turn does it; each is timed by itself (a clock call of
/// some 25 ns is part of the figure). The longest insert is that of batches
/// during which the thread was not off its processor for 0.1 ms, and beside it
/// that of all, other processes' doing included. Lookups are of random keys: those that
/// are there (hit) and those that are not (miss).
struct IndexBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Measure the index: speed, bytes per key, longest insert.")

    @Option(help: "Keys to insert in all.")
    var keysMax = 100_000_000

    @Option(help: "Keys at the first measurement; each next one has twice as many.")
    var keysMin = 1_000_000

    @Option(help: "Lookups of each kind at each measurement.")
    var lookups = 4_000_000

    @Option(help: "Seconds of the control: how long the machine holds up a loop that does nothing.")
    var controlSeconds = 10

    @Option(help: "Path of the index's file; it is removed at once.")
    var path = "/dev/shm/protostore-bench-index"

    @Option(help: "Also write the figures to this file, one JSON object per line.")
    var json: String?

    @Option(help: "Also save the index to this directory at the end, and load it again.")
    var saveDirectory: String?

    func validate() throws {
        guard keysMin >= 1, keysMax >= keysMin, keysMax < 1 << 32 else {
            throw ValidationError("1 <= --keys-min <= --keys-max < 2^32 is required.")
        }
        guard lookups >= IndexWorkload.batchSize else { throw ValidationError("--lookups is at least 64.") }
        guard (0...3600).contains(controlSeconds) else {
            throw ValidationError("--control-seconds is 0...3600.")
        }
    }

    func run() throws {
        var workload = try IndexWorkload(path: path)
        var report = IndexReport()
        print(IndexReport.Row.header)
        for keys in measuringPoints() {
            let row = try measure(&workload, keys: keys, longestBefore: report.longestMicroseconds)
            report.rows.append(row)
            print(row.text)
        }
        print(report.summary)
        let gap = IndexWorkload.longestIdleGap(forNanoseconds: UInt64(controlSeconds) * 1_000_000_000)
        print("control: the longest gap of a loop that only reads the clock, in \(controlSeconds) s: \(gap / 1000) us")
        if let saveDirectory {
            let times = try workload.saveLoadAndAdopt(saveDirectory, path: path + "-loaded")
            let milliseconds = [times.save, times.load, times.adopt].map { $0 / 1_000_000 }
            print(
                "saved in \(milliseconds[0]) ms, loaded from the page cache in \(milliseconds[1]) ms, "
                    + "taken over as after a kill in \(milliseconds[2]) ms")
        }
        if let json { try report.writeJSON(to: json) }
    }

    private func measuringPoints() -> [Int] {
        var points = [keysMin]
        while points.last! * 2 < keysMax { points.append(points.last! * 2) }
        if points.last! < keysMax { points.append(keysMax) }
        return points
    }

    private func measure(
        _ workload: inout IndexWorkload, keys: Int, longestBefore: Double
    ) throws -> IndexReport.Row {
        let before = workload.count
        var inserted = IndexWorkload.InsertResult()
        var average = BytesPerKey()
        // In steps, so that bytes per key are averaged over the whole interval.
        let steps = 32
        for step in 0..<steps {
            let from = before + (keys - before) * step / steps
            let to = before + (keys - before) * (step + 1) / steps
            let result = try workload.insert(UInt64(from)..<UInt64(to))
            inserted.nanoseconds += result.nanoseconds
            inserted.longestNanoseconds = max(inserted.longestNanoseconds, result.longestNanoseconds)
            inserted.longestWallNanoseconds = max(inserted.longestWallNanoseconds, result.longestWallNanoseconds)
            if before > 0 || step == steps - 1 { average.add(bytes: workload.byteCount, keys: to) }
        }
        let present = 0..<UInt64(keys)
        let absent = UInt64(1) << 40..<UInt64(1) << 40 + UInt64(keys)
        let hit = workload.lookUp(lookups, in: present, batched: false)
        let hitBatched = workload.lookUp(lookups, in: present, batched: true)
        let miss = workload.lookUp(lookups, in: absent, batched: false)
        let missBatched = workload.lookUp(lookups, in: absent, batched: true)
        let done = lookups / IndexWorkload.batchSize * IndexWorkload.batchSize
        guard hit.hits == done, hitBatched.hits == done, workload.count == keys else {
            throw BenchmarkError.lostKeys(found: min(hit.hits, hitBatched.hits), of: done)
        }
        let longest = Double(inserted.longestNanoseconds) / 1000
        return IndexReport.Row(
            keys: keys,
            insertsPerSecond: rate(keys - before, inserted.nanoseconds),
            hitsPerSecond: rate(done, hit.nanoseconds),
            missesPerSecond: rate(done, miss.nanoseconds),
            hitsPerSecondBatched: rate(done, hitBatched.nanoseconds),
            missesPerSecondBatched: rate(done, missBatched.nanoseconds),
            bytesPerKey: Double(workload.byteCount) / Double(keys),
            bytesPerKeySamples: average,
            falseCandidatesPerLookup: Double(miss.falseCandidates + missBatched.falseCandidates) / Double(2 * done),
            longestMicroseconds: longest,
            longestMicrosecondsSoFar: max(longest, longestBefore),
            longestWallMicroseconds: Double(inserted.longestWallNanoseconds) / 1000)
    }

    private func rate(_ count: Int, _ nanoseconds: UInt64) -> Double {
        Double(count) * 1e9 / Double(max(1, nanoseconds))
    }

    private enum BenchmarkError: Error, CustomStringConvertible {
        case lostKeys(found: Int, of: Int)

        var description: String {
            switch self {
            case .lostKeys(let found, let all): "the index lost keys: \(found) of \(all) lookups found theirs"
            }
        }
    }
}

/// Bytes per key, sampled as the keys grow.
struct BytesPerKey {
    var sum = 0.0
    var count = 0
    var max = 0.0

    mutating func add(bytes: Int, keys: Int) {
        guard keys > 0 else { return }
        let value = Double(bytes) / Double(keys)
        sum += value
        count += 1
        max = Swift.max(max, value)
    }
}
