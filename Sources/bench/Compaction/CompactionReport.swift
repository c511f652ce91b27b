import Histogram
import Protostore

/// What `bench compaction` prints and writes as JSON.
struct CompactionReport: Codable, Equatable {
    struct Latency: Codable, Equatable {
        /// Microseconds.
        var p50, p99, p99_9, max: Double

        init(_ histogram: Histogram<UInt64>) {
            func microseconds(_ percentile: Double) -> Double {
                histogram.totalCount == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1000
            }
            (p50, p99, p99_9) = (microseconds(50), microseconds(99), microseconds(99.9))
            max = histogram.totalCount == 0 ? 0 : Double(histogram.max) / 1000
        }

        var text: String {
            "p50 \(Format.fixed(p50, 0)), p99 \(Format.fixed(p99, 0)), p99.9 \(Format.fixed(p99_9, 0)), "
                + "max \(Format.fixed(max, 0)) us"
        }
    }

    var disk: String
    var distribution: Distribution
    var segments: Int
    var segmentBytes: Int
    var shards: Int
    var clients: Int
    var keys: Int
    var valueBytes: Int
    /// Of the record space: the records that all segments could hold.
    var live: Double
    var deleteShare: Double
    var expiryShare: Double

    /// Log bytes without padding over fresh record bytes: records, directories and summaries.
    var writeAmplification: Double
    /// Of records alone: fresh ones and copies.
    var recordAmplification: Double
    /// All bytes that were written, padding included.
    var bytesAmplification: Double
    var firstInFirstOutModel: Double
    var greedyModel: Double?

    var segmentsFreed: Int
    var deletesDropped: Int
    var recordsPerCommit: Double
    var measuredSeconds: Double
    var writesPerSecond: Double
    var worstSecondWrites: Double
    /// Of whole seconds.
    var worstOverMean: Double
    var urgentShare: Double
    var readLatency: Latency
    var writeLatency: Latency
    var refusedWrites: Int
    var wrongAnswers: Int
    /// Processor microseconds for each write, the planner's thread included; nil on the timed disk.
    var cpuMicrosecondsPerWrite: Double?
    /// Of that, the planner's thread's.
    var plannerCPUShare: Double?
    /// Of the time of all channels of the timed disk; nil on a real one.
    var diskBusyShare: Double?
    /// Seconds until compaction rested when the load was over, or nil where it did not.
    var restSeconds: Double?
    var series: [CompactionRun.Second]

    mutating func fill(_ run: CompactionRun) {
        let counters = run.counters
        let fresh = Double(max(1, counters.recordBytes))
        let records = counters.puts + counters.deletes
        let directories = 2 * (UInt64(CommitHeader.byteCount) * counters.commits + UInt64(CommitEntry.byteCount) * records)
        let summaries = UInt64(SummaryEntry.byteCount) * (records + counters.copiedRecords)
        let ends = UInt64(run.compaction.freedSegments * (2 * SegmentHeader.byteCount))
        let allRecords = counters.recordBytes + counters.copiedBytes
        writeAmplification = Double(allRecords + directories + summaries + ends) / fresh
        recordAmplification = Double(allRecords) / fresh
        bytesAmplification = Double(counters.logBytes + counters.copyLogBytes) / fresh
        segmentsFreed = run.compaction.freedSegments
        deletesDropped = run.compaction.droppedDeletes
        recordsPerCommit = Double(records) / Double(max(1, counters.commits))
        measuredSeconds = Double(run.measuredNanoseconds) / 1e9
        let whole = run.seconds.map { Double($0.writes) }
        let mean = whole.reduce(0, +) / Double(max(1, whole.count))
        writesPerSecond = whole.isEmpty ? Double(records) / max(measuredSeconds, 1e-9) : mean
        worstSecondWrites = whole.min() ?? 0
        worstOverMean = mean > 0 ? worstSecondWrites / mean : 0
        urgentShare = Double(run.urgentNanoseconds) / Double(max(1, run.measuredNanoseconds))
        readLatency = Latency(run.load.figures.readLatency)
        writeLatency = Latency(run.load.figures.writeLatency)
        refusedWrites = run.load.figures.refused
        wrongAnswers = run.load.figures.wrongCount
        series = run.seconds
    }

    var text: String {
        let share = { (value: Double) in Format.fixed(value * 100, 1) + " %" }
        var lines = [
            "\(disk): \(Format.grouped(segments)) segments of \(segmentBytes >> 10) KiB, \(shards) shards, \(clients) clients",
            "\(Format.grouped(keys)) keys with values of \(valueBytes) bytes: \(share(live)) of record space is live; "
                + "\(distribution.rawValue) writes, \(share(deleteShare)) deletes, \(share(expiryShare)) with expiry",
            "write amplification  \(Format.fixed(writeAmplification, 3)) (records alone \(Format.fixed(recordAmplification, 3)), "
                + "with padding \(Format.fixed(bytesAmplification, 3)))",
            "models               first in, first out \(Format.fixed(firstInFirstOutModel, 3))"
                + (greedyModel.map { ", greedy \(Format.fixed($0, 3))" } ?? "") + " (records alone, uniform)",
            "segments freed       \(Format.grouped(segmentsFreed)); deletes dropped \(Format.grouped(deletesDropped)); "
                + "\(Format.fixed(recordsPerCommit, 1)) records per commit",
            "writes/s             \(Format.fixed(writesPerSecond, 0)) over \(Format.fixed(measuredSeconds, 1)) s; "
                + "worst second \(Format.fixed(worstSecondWrites, 0)): \(Format.fixed(worstOverMean, 3)) of the mean; "
                + "urgent \(share(urgentShare))",
            "reads                \(readLatency.text)",
            "writes               \(writeLatency.text)",
            "refused              \(refusedWrites); wrong answers \(wrongAnswers)",
        ]
        if let cpuMicrosecondsPerWrite {
            lines.append(
                "processor            \(Format.fixed(cpuMicrosecondsPerWrite, 2)) us per write, clients included; "
                    + "planner \(share(plannerCPUShare ?? 0)) of it")
        }
        if let diskBusyShare { lines.append("disk                 busy \(share(diskBusyShare)) of the whole run") }
        if let restSeconds { lines.append("rest                 \(Format.fixed(restSeconds, 1)) s after the load") }
        return lines.joined(separator: "\n")
    }

    /// One line per second, for plots.
    var csv: String {
        var lines = ["second,writes,reads,copied_bytes,free_segments,urgent_share"]
        for second in series {
            lines.append(
                "\(Format.fixed(second.atSeconds, 0).filter { $0 != "," }),\(second.writes),\(second.reads),"
                    + "\(second.copiedBytes),\(second.freeSegments),\(second.urgentShare)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
