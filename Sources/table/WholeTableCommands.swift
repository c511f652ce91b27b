import ArgumentParser
import SharedTable

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look at every pair; exit code 1 if anything is wrong.")

    @OptionGroup var table: TableArgument

    func run() throws {
        let result = try table.attach().check()
        for fault in result.faults { print(fault) }
        print("\(result.pairs) pairs, \(result.faults.isEmpty ? "no fault" : "\(result.faults.count) faults")")
        if !result.faults.isEmpty { throw ExitCode.failure }
    }
}

struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Write all pairs to a file that survives a reboot.")

    @OptionGroup var table: TableArgument
    @Argument var file: String

    func run() throws { print("\(try table.attach().snapshot(to: file)) pairs") }
}

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put all pairs of a snapshot; creates the table if there is none.")

    @OptionGroup var table: TableArgument
    @Argument var file: String

    func run() throws { print("\(try restore()) pairs") }

    /// A table that was not there is there with all of the pairs, or not at all.
    private func restore() throws(SharedTableError) -> Int {
        while true {
            do throws(SharedTableError) {
                return try SharedTable(attaching: table.path).restore(from: file)
            } catch {
                guard case .missing = error else { throw error }
            }
            do throws(SharedTableError) {
                return try SharedTableFile.create(table.path, restoring: file)
            } catch {
                // Another process was faster.
                guard case .exists = error else { throw error }
            }
        }
    }
}

struct DropCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop", abstract: "Delete a table. Processes that use it go on with it.")

    @OptionGroup var table: TableArgument

    func run() throws {
        try SharedTableFile.expectTable(table.path)
        try SharedTableFile.delete(table.path)
    }
}

struct StatisticsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Print what a table holds and what it did.")

    @OptionGroup var table: TableArgument

    func run() throws {
        let statistics = try table.attach().statistics()
        let lines: [(String, Int)] = [
            ("pairs", statistics.pairs), ("puts", statistics.puts), ("removals", statistics.removals),
            ("reads", statistics.reads), ("handles", statistics.handles), ("growth steps", statistics.growthSteps),
            ("shrink steps", statistics.shrinkSteps), ("collections", statistics.collections),
            ("collected pairs", statistics.collectedPairs), ("record bytes alive", statistics.recordBytesLive),
            ("record bytes used", statistics.recordBytesUsed), ("large records", statistics.largeRecords),
            ("cell bytes", statistics.cellBytes), ("bytes allocated", statistics.bytesAllocated),
            ("bytes spare", statistics.bytesSpare), ("bytes given back", statistics.bytesGivenBack),
            ("contended locks", statistics.contendedLocks), ("recoveries", statistics.recoveries),
        ]
        for (name, number) in lines { print("\(name): \(number)") }
    }
}

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Print a line per second of what happens in a table.")

    @OptionGroup var table: TableArgument
    @Option(help: "Lines to print; 0 for no end.")
    var count = 0

    func run() throws {
        let handle = try table.attach()
        var before = handle.statistics()
        var lines = 0
        while count == 0 || lines < count {
            if lines % 20 == 0 { print("     pairs      MiB    put/s    del/s    get/s  grow/s  coll/s  waits/s recoveries") }
            Clock.blockingSleep(nanoseconds: 1_000_000_000)
            let now = handle.statistics()
            print(Self.line(before, now))
            TextColumns.flush()
            before = now
            lines += 1
        }
    }

    private static func line(_ before: SharedTableStatistics, _ now: SharedTableStatistics) -> String {
        let columns: [(Int, Int)] = [
            (now.pairs, 10), (now.bytesAllocated >> 20, 8), (now.puts &- before.puts, 8),
            (now.removals &- before.removals, 8), (now.reads &- before.reads, 8),
            (now.growthSteps &- before.growthSteps, 7), (now.collections &- before.collections, 7),
            (now.contendedLocks &- before.contendedLocks, 8), (now.recoveries, 10),
        ]
        return columns.map { TextColumns.right("\($0.0)", $0.1) }.joined(separator: " ")
    }
}
