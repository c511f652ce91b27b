import FoundationEssentials
import SharedTable

/// What a benchmark found, as text and as JSON.
struct BenchReport: Encodable {
    /// Of single puts, on the clock of the processor time of the thread that did them.
    struct Longest: Encodable {
        var microseconds: Double
        /// Of that put.
        var pageFaults: Int
        /// The longest of all puts when what its page faults take on average is not counted.
        var microsecondsWithoutPageFaults: Double
        /// How many took so long, page faults not counted.
        var millisecondAndMore: Int
        var nanosecondsPerPageFault: Int
    }

    struct Phase: Encodable {
        var name: String
        var operations: Int
        var seconds: Double
        var operationsPerSecond: Double
        /// With --times only.
        var longest: Longest?
        var pageFaults: Int
        /// What the processes took of the processors, whoever else did.
        var processorNanosecondsPerOperation: Double
    }

    var keys: Int
    var processes: Int
    var keyBytes: Int
    var valueBytes: Int
    var phases: [Phase] = []
    var wrongAnswers = 0
    var bytesAllocated = 0
    var bytesPerKey = 0.0
    var growthSteps = 0
    var collections = 0
    var contendedLocks = 0

    init(_ load: BenchLoad) {
        (keys, processes, keyBytes, valueBytes) = (load.keys, load.processes, load.keyBytes, load.valueBytes)
    }

    var summary: String {
        var lines = phases.map { phase in
            var line = "\(phase.name): \(phase.operations) operations in \(TextColumns.fixed(phase.seconds, 2)) s, "
                + "\(TextColumns.fixed(phase.operationsPerSecond / 1e6, 2)) million/s, "
                + "\(TextColumns.fixed(phase.processorNanosecondsPerOperation, 1)) ns of processor time each, \(phase.pageFaults) page faults"
            if let longest = phase.longest {
                line += ", longest \(TextColumns.fixed(longest.microseconds, 1)) us with \(longest.pageFaults) page faults; "
                    + "without page faults, \(longest.nanosecondsPerPageFault) ns each, "
                    + "\(TextColumns.fixed(longest.microsecondsWithoutPageFaults, 1)) us, "
                    + "\(longest.millisecondAndMore) of a millisecond and more"
            }
            return line
        }
        lines.append("memory: \(bytesAllocated) bytes, \(TextColumns.fixed(bytesPerKey, 1)) per key")
        lines.append("growth steps \(growthSteps), collections \(collections), contended locks \(contendedLocks)")
        lines.append(wrongAnswers == 0 ? "every answer was right" : "\(wrongAnswers) WRONG ANSWERS")
        return lines.joined(separator: "\n")
    }

    /// With sorted keys and one field a line.
    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}

/// The lines that come once a second, in the manner of SharedHashFile's test.
struct BenchLines {
    private let processes: Int
    private var statistics: SharedTableStatistics
    private var operations: [Int]
    private var totalOperations = 0

    /// Columns of processes that a line has room for.
    private static let columns = 16

    init(processes: Int, _ statistics: SharedTableStatistics) {
        self.processes = processes
        self.statistics = statistics
        operations = Array(repeating: 0, count: processes)
    }

    static let header = """
        -OP GROW SHRK COLL  MiB TOTAL ------PERCENT OPERATIONS PER PROCESS PER SECOND -OPS
        --- --/s --/s --/s ---- M-OPS 00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 -M/s
        """

    mutating func startPhase() { operations = Array(repeating: 0, count: processes) }

    mutating func line(
        _ name: String, _ now: [Int], seconds: Double, _ statistics: SharedTableStatistics
    ) -> String {
        let done = zip(now, operations).map { max(0, $0 - $1) }
        let sum = done.reduce(0, +)
        totalOperations += sum
        let shares = (0..<Self.columns).map { column in
            TextColumns.right("\(column < done.count && sum > 0 ? done[column] * 100 / sum : 0)", 2)
        }
        let rate = Double(sum) / max(seconds, 0.001) / 1e6
        let before = self.statistics
        let numbers = [
            statistics.growthSteps - before.growthSteps, statistics.shrinkSteps - before.shrinkSteps,
            statistics.collections - before.collections, statistics.bytesAllocated >> 20,
        ].map { TextColumns.right("\($0)", 4) }
        self.statistics = statistics
        operations = now
        return "\(name) \(numbers.joined(separator: " ")) \(TextColumns.right(TextColumns.fixed(Double(totalOperations) / 1e6, 1), 5)) "
            + "\(shares.joined(separator: " ")) \(TextColumns.right(TextColumns.fixed(rate, 1), 4)) "
            + String(repeating: "-", count: Int(rate * 4 / 3))
    }
}
