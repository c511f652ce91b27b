import ArgumentParser
import Protostore

/// `bench rebuild`: how fast the index of a store is rebuilt from its summaries, and with how much memory.
struct RebuildCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild", abstract: "Measure how fast a store's index is rebuilt from its segments' summaries.")

    @Option(help: "The store's directory; no server may have it open.")
    var path: String

    @Option(help: "Shards among which the index is divided.")
    var shards = 2

    @Option(help: "Threads that fill the index, beside the one that reads; by default as the server chooses.")
    var threads: Int?

    @Option(help: "Passes over the summaries, each for an equal part of the keys; by default as the server chooses.")
    var passes: Int?

    @Option(help: "How often to do it.")
    var repeats = 5

    @Option(help: "Path of the index's file; it is removed at once.")
    var indexPath = "/dev/shm/protostore-bench-rebuild"

    func validate() throws {
        guard (1...4096).contains(shards) else { throw ValidationError("--shards is 1...4096.") }
        guard (0...64).contains(threads ?? 0) else { throw ValidationError("--threads is 0...64.") }
        guard (1...100).contains(passes ?? 1) else { throw ValidationError("--passes is 1...100.") }
        guard (1...1000).contains(repeats) else { throw ValidationError("--repeats is 1...1000.") }
    }

    func run() throws {
        var plan: IndexRebuildPlan?
        if threads != nil || passes != nil {
            plan = IndexRebuildPlan(threadCount: threads ?? Thread.processorCount, passCount: passes ?? 2)
        }
        print("      keys   entries  seconds  CPU seconds      keys/s  index MB  peak MB  peak/index")
        for round in 0..<repeats {
            let result = try IndexRebuildMeasurement(
                directory: path, indexPath: indexPath, partitionCount: shards, plan: plan)
            print(line(result, isFirst: round == 0))
        }
    }

    /// The peak is the process's: after the first round there is nothing new to see.
    private func line(_ result: IndexRebuildMeasurement, isFirst: Bool) -> String {
        let seconds = Double(result.nanoseconds) / 1e9
        let megabytes = { (bytes: Int) in Format.fixed(Double(bytes) / 1e6, 1) }
        var columns: [(String, Int)] = [
            ("\(result.keyCount)", 10), ("\(result.entryCount)", 10), (Format.fixed(seconds, 3), 9),
            (Format.fixed(Double(result.cpuNanoseconds) / 1e9, 3), 13),
            (Format.grouped(Int(Double(result.keyCount) / max(seconds, 1e-9))), 12), (megabytes(result.indexBytes), 10),
        ]
        if isFirst {
            columns.append((megabytes(result.peakBytes), 9))
            columns.append((Format.fixed(Double(result.peakBytes) / Double(max(1, result.indexBytes)), 2), 12))
        }
        return columns.map { Format.right($0.0, $0.1) }.joined()
    }
}
