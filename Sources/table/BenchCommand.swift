import ArgumentParser
import SharedTable

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Put, mix and get with any number of processes; every value is verified.",
        discussion: """
            Three phases, as in SharedHashFile's own test: PUT stores all keys, MIX gets 98 % and removes and puts \
            2 %, GET gets all. Each process works on the keys that another one put.
            """)

    @OptionGroup var load: BenchLoad
    @Option(help: "The table's file, which must not be there; removed at the end.")
    var path: String?
    @Option(help: "Write the results to this file as JSON.")
    var json: String?

    func run() throws {
        let number = ProcessIdentity.current().number
        let tablePath = path ?? "/dev/shm/table-bench-\(number)"
        try SharedTableFile.create(tablePath)
        defer { try? SharedTableFile.delete(tablePath) }
        let board = try Board(path: "/dev/shm/table-board-\(number)", workers: load.processes, creates: true)
        defer { try? Directory.removeFile(board.path) }
        let table = try SharedTable(attaching: tablePath)
        var run = BenchRun(table: table, board: board, load: load, workers: [])
        defer { run.stop() }
        try run.start(tablePath)
        let report = try run.run()
        print(report.summary)
        if let json {
            let file = try FileDescriptor.open(json, [.write, .create, .truncate], mode: 0o644)
            try report.json().withUnsafeBytes { try file.write($0, at: 0) }
        }
        if report.wrongAnswers > 0 { throw ExitCode.failure }
    }
}

/// One run: starts the processes, leads them through the phases, and looks on.
struct BenchRun {
    let table: SharedTable
    let board: Board
    let load: BenchLoad
    var workers: [ChildProcess]

    struct WorkerDied: Error, CustomStringConvertible {
        let description = "a process of the benchmark ended early: its message is above"
    }

    mutating func start(_ tablePath: String) throws {
        for number in 0..<load.processes {
            let arguments = ["bench-worker", "--path", tablePath, "--board", board.path, "--number", "\(number)"]
            workers.append(try ChildProcess(thisProgramWith: arguments + load.arguments))
        }
    }

    mutating func stop() {
        for worker in workers {
            worker.kill()
            _ = worker.blockingWait()
        }
        workers = []
    }

    mutating func run() throws -> BenchReport {
        var report = BenchReport(load)
        var lines = BenchLines(processes: load.processes, table.statistics())
        print(BenchLines.header)
        // All of them are attached before the first phase starts.
        while table.statistics().handles < load.processes + 1 {
            try expectWorkers()
            Clock.blockingSleep(nanoseconds: 1_000_000)
        }
        for phase in BenchLoad.phases.indices { report.phases.append(try run(phase, &lines)) }
        for worker in workers { _ = worker.blockingWait() }
        workers = []
        let statistics = table.statistics()
        report.wrongAnswers = sum(.faults) + (statistics.pairs == load.keys ? 0 : 1)
        report.bytesAllocated = statistics.bytesAllocated
        report.bytesPerKey = Double(statistics.bytesAllocated) / Double(load.keys)
        report.growthSteps = statistics.growthSteps
        report.collections = statistics.collections
        report.contendedLocks = statistics.contendedLocks
        return report
    }

    private func run(_ phase: Int, _ lines: inout BenchLines) throws -> BenchReport.Phase {
        let name = BenchLoad.phases[phase]
        while !allDone(phase) { Clock.blockingSleep(nanoseconds: 200_000) }
        for worker in 0..<load.processes { board.set(0, .operations, of: worker) }
        lines.startPhase()
        let start = Clock.monotonicNanoseconds()
        board.phase = phase + 1
        var last = start
        while !allDone(phase + 1) {
            try expectWorkers()
            Clock.blockingSleep(nanoseconds: 500_000)
            let now = Clock.monotonicNanoseconds()
            guard now - last >= 1_000_000_000 else { continue }
            show(lines.line(name, operations, seconds: Double(now - last) / 1e9, table.statistics()))
            last = now
        }
        let end = Clock.monotonicNanoseconds()
        show(lines.line(name, operations, seconds: Double(end - last) / 1e9, table.statistics()))
        let seconds = Double(end - start) / 1e9
        return BenchReport.Phase(
            name: name, operations: load.keys, seconds: seconds, operationsPerSecond: Double(load.keys) / seconds,
            longest: load.times && phase == 0 ? longest : nil, pageFaults: sum(.pageFaults),
            processorNanosecondsPerOperation: Double(sum(.processorNanoseconds)) / Double(load.keys))
    }

    private var longest: BenchReport.Longest {
        let workers = 0..<load.processes
        func most(_ field: Board.Field) -> Int { workers.map { board.get(field, of: $0) }.max() ?? 0 }
        let worker = workers.max { board.get(.longestNanoseconds, of: $0) < board.get(.longestNanoseconds, of: $1) }
        return BenchReport.Longest(
            microseconds: Double(most(.longestNanoseconds)) / 1000,
            pageFaults: board.get(.longestPageFaults, of: worker ?? 0),
            microsecondsWithoutPageFaults: Double(most(.longestNetNanoseconds)) / 1000,
            millisecondAndMore: sum(.slowOperations), nanosecondsPerPageFault: most(.pageFaultNanoseconds))
    }

    private func show(_ line: String) {
        print(line)
        TextColumns.flush()
    }

    private var operations: [Int] { (0..<load.processes).map { board.get(.operations, of: $0) } }

    private func sum(_ field: Board.Field) -> Int {
        (0..<load.processes).reduce(0) { $0 + board.get(field, of: $1) }
    }

    private func allDone(_ phases: Int) -> Bool {
        (0..<load.processes).allSatisfy { board.get(.phasesDone, of: $0) >= phases }
    }

    /// Workers that are done may end; others may not.
    private func expectWorkers() throws {
        for (number, worker) in workers.enumerated()
        // In this order: one that ends in between has done everything.
        where worker.outcomeIfEnded() != nil && board.get(.phasesDone, of: number) < BenchLoad.phases.count {
            throw WorkerDied()
        }
    }
}
