import ArgumentParser
import SharedTable

struct HistoriesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "histories", abstract: "Search what several processes saw for an order in which all of it is right.",
        discussion: """
            In each round several processes do random operations on a few keys and write down when each began, ended, \
            and what it gave; one of them is killed on its way. For each key there has to be an order of the \
            operations in which none comes before one that had ended when it began, and in which each gave what a \
            table with one user would have.
            """)

    @OptionGroup var load: HistoriesLoad
    @Option(help: "How often the processes start.")
    var rounds = 200
    @Option(help: "Begin no round after so many seconds.")
    var seconds: Double?
    @Flag(help: "Plant each bug, and print how many rounds it takes to catch it.")
    var surveyBugs = false

    func validate() throws {
        guard rounds >= 1 else { throw ValidationError("--rounds must be positive") }
        if load.bug != nil || surveyBugs, !TablePlantedBug.canBePlanted {
            throw ValidationError("bugs can be planted in a build with -Xswiftc -DPLANTED_BUGS only")
        }
    }

    func run() throws {
        if surveyBugs { return try survey() }
        let (done, operations, finding) = try search(load)
        if let finding {
            print("round \(done): \(finding)")
            throw ExitCode.failure
        }
        print("\(done) rounds of \(load.processes) processes, \(operations) operations: each key has an order")
    }

    /// - Returns: the rounds that were run, and what was wrong in the last one.
    private func search(_ load: HistoriesLoad) throws -> (rounds: Int, operations: Int, finding: String?) {
        let path = "/dev/shm/table-histories-\(ProcessIdentity.current().number)"
        try SharedTableFile.create(path)
        defer { try? SharedTableFile.delete(path) }
        var histories = try Histories(path: path, load)
        defer { histories.stop() }
        let start = Clock.monotonicNanoseconds()
        for round in 0..<rounds {
            if let seconds, Double(Clock.monotonicNanoseconds() - start) > seconds * 1e9 {
                return (round, histories.operations, nil)
            }
            if let finding = try histories.run(round) { return (round + 1, histories.operations, finding) }
        }
        return (rounds, histories.operations, nil)
    }

    private func survey() throws {
        var missed = 0
        for bug in TablePlantedBug.allCases {
            var load = load
            load.bug = bug
            let (done, _, finding) = try search(load)
            let first = finding?.split(separator: "\n").first
            print("\(bug.rawValue), \(done) rounds: \(first ?? "not caught")")
            TextColumns.flush()
            if finding == nil { missed += 1 }
        }
        if missed > 0 { throw ExitCode.failure }
    }
}

/// What the processes of a search agree on.
struct HistoriesLoad: ParsableArguments {
    @Option(help: "Processes that work at the same time.")
    var processes = 4
    @Option(help: "Operations of each process in a round.")
    var operations = 3000
    @Option(help: "Seed of all random choices.")
    var seed: UInt64 = 1
    @Flag(inversion: .prefixedNo, help: "Kill a process in each round.")
    var kills = true
    @Option(help: "Plant this bug.")
    var bug: TablePlantedBug?

    func validate() throws {
        guard processes >= 1, processes <= 64 else { throw ValidationError("--processes must be 1 to 64") }
        guard operations >= 1, operations <= 100_000 else { throw ValidationError("--operations must be 1 to 100000") }
    }

    var arguments: [String] {
        ["--processes", "\(processes)", "--operations", "\(operations)", "--seed", "\(seed)"]
            + (bug.map { ["--bug", $0.rawValue] } ?? [])
    }
}

extension TablePlantedBug: ExpressibleByArgument {}

/// A search under way: the table, the processes, and what is in the registers between rounds.
struct Histories {
    private let table: SharedTable
    private let keys: [[UInt8]]
    private let path: String
    private let board: Board
    private let history: HistoryBoard
    private let load: HistoriesLoad
    private var random: SplitMix64
    private var states: [Int?] = RegisterValue.counts.map { _ in nil }
    private var workers: [ChildProcess] = []
    private(set) var operations = 0

    init(path: String, _ load: HistoriesLoad) throws {
        table = try SharedTable(attaching: path)
        keys = RegisterClient.keys(table)
        self.path = path
        self.load = load
        random = SplitMix64(seed: load.seed)
        board = try Board(path: "\(path)-board", workers: load.processes, creates: true)
        history = try HistoryBoard(
            path: "\(path)-history", processes: load.processes, operations: load.operations, creates: true)
    }

    /// Ends the processes, and removes their files.
    mutating func stop() {
        for worker in workers {
            worker.kill()
            _ = worker.blockingWait()
        }
        workers = []
        try? Directory.removeFile(board.path)
        try? Directory.removeFile(history.path)
    }

    /// - Returns: what is wrong, or nil.
    mutating func run(_ round: Int) throws -> String? {
        board.phase = 0
        for process in 0..<load.processes {
            board.set(0, .phasesDone, of: process)
            history.clear(process)
            let arguments = ["histories-worker", "--path", path, "--board", board.path, "--history", history.path]
            workers.append(
                try ChildProcess(
                    thisProgramWith: arguments + ["--number", "\(process)", "--round", "\(round)"] + load.arguments))
        }
        // All of them are there before the first one starts.
        while !(0..<load.processes).allSatisfy({ board.get(.phasesDone, of: $0) == 1 }) {
            for (process, worker) in workers.enumerated() where worker.hasEnded {
                return "process \(process) ended before the round began"
            }
            Clock.blockingSleep(nanoseconds: 100_000)
        }
        board.phase = 1
        let killed = killOne()
        let outcomes = workers.map { $0.blockingWait() }
        workers = []
        for (process, outcome) in outcomes.enumerated() where outcome != 0 && !(process == killed && outcome == -9) {
            return "process \(process) ended with \(outcome)"
        }
        return try judge()
    }

    /// Kills a process after some of its operations.
    private mutating func killOne() -> Int? {
        guard load.kills else { return nil }
        let process = Int(random.next() % UInt64(load.processes))
        let count = Int(random.next() % UInt64(load.operations))
        while history.ended(process) < count, !workers[process].hasEnded { Clock.blockingSleep(nanoseconds: 20_000) }
        workers[process].kill()
        return process
    }

    private mutating func judge() throws -> String? {
        for key in keys.prefix(RegisterValue.counts.count).indices {
            var histories = (0..<load.processes).map { history.history($0, key: key) }
            operations += histories.reduce(0) { $0 + $1.count }
            let start = HistoryBoard.now()
            let last = RegisterValue.value(of: try table.get(keys[key], as: [UInt8].self), key)
            histories.append([RegisterOperation(action: .get, result: last, start: start, end: HistoryBoard.now())])
            if let finding = RegisterSearch(histories: histories, state: states[key]).impossibility() {
                return "key \(key): \(finding)"
            }
            states[key] = last
        }
        return try table.check().faults.first
    }
}

/// The hidden subcommand of a process that writes down what it does.
struct HistoriesWorker: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "histories-worker", shouldDisplay: false)

    @Option var path: String
    @Option var board: String
    @Option var history: String
    @Option var number: Int
    @Option var round: Int
    @OptionGroup var load: HistoriesLoad

    func validate() throws {
        guard number >= 0, number < load.processes else { throw ValidationError("--number must be one of the processes") }
    }

    func run() throws {
        TablePlantedBug.plant(load.bug)
        let table = try SharedTable(attaching: path)
        let board = try Board(path: board, workers: load.processes, creates: false)
        let history = try HistoryBoard(
            path: history, processes: load.processes, operations: load.operations, creates: false)
        // Of 31 bits, and again only after a million rounds and more.
        var value = (round &* load.processes &+ number) &* load.operations
        let stream = UInt64(truncatingIfNeeded: round) << 8 | UInt64(truncatingIfNeeded: number)
        var client = RegisterClient(
            table: table, keys: RegisterClient.keys(table), random: SplitMix64(seed: load.seed << 40 ^ stream)
        ) {
            value &+= 1
            return value & 0x7FFF_FFFF
        }
        board.set(1, .phasesDone, of: number)
        // Awake, so that all begin at once.
        while board.phase < 1 {
            for _ in 0..<1000 where board.phase < 1 { MemoryOrder.pause() }
            try board.expectParent()
        }
        for operation in 0..<load.operations {
            let (key, action) = try client.choose()
            try history.record(number, operation, key: key, action) { try client.perform(action, key) }
        }
    }
}
