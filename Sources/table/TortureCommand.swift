import ArgumentParser
import SharedTable

struct TortureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torture", abstract: "Kill writing processes at random and look what is left.",
        discussion: """
            Processes put and remove keys of their own and add to shared counters. Again and again one is killed \
            with SIGKILL; then each of its keys must have the value of its last completed operation, or of the one it \
            was in. The whole table is checked now and then, and at the end.
            """)

    @OptionGroup var load: TortureLoad
    @Option(help: "How many processes to kill.")
    var kills = 100
    @Option(help: "Check the whole table after so many kills.")
    var checkInterval = 25

    @Flag(help: "Before that let one die at each named moment: debug programs only.")
    var moments = false

    func validate() throws {
        guard kills >= 0, checkInterval >= 1 else { throw ValidationError("--kills and --check-interval must be positive") }
    }

    func run() throws {
        let number = ProcessIdentity.current().number
        let path = "/dev/shm/table-torture-\(number)"
        try SharedTableFile.create(path)
        defer { try? SharedTableFile.delete(path) }
        let board = try Board(path: "\(path)-board", workers: load.processes, creates: true)
        defer { try? Directory.removeFile(board.path) }
        var torture = try Torture(path: path, board: board, load: load)
        defer { torture.stop() }
        try torture.run(kills: kills, checkInterval: checkInterval, moments: moments)
        let statistics = torture.table.statistics()
        print(
            "\(kills) processes killed, \(statistics.puts) puts, \(statistics.removals) removals, "
                + "\(statistics.growthSteps) growth steps, \(statistics.collections) collections, "
                + "\(statistics.recoveries) changes undone or finished; nothing lost, nothing damaged")
    }
}

/// A torture under way: the table, the processes, and what each of them must have done.
struct Torture {
    struct Fault: Error, CustomStringConvertible { let description: String }

    let table: SharedTable
    private let path: String
    private let board: Board
    private let load: TortureLoad
    private var workers: [ChildProcess?]
    /// The values that each worker's keys have, by its steps up to `known`.
    private var models: [[Int: [UInt8]]]
    private var known: [Int]
    /// The step in which each worker was killed last.
    private var killedAt: [Int]
    private var adds = 0
    private var uncertainAdds = 0

    init(path: String, board: Board, load: TortureLoad) throws {
        table = try SharedTable(attaching: path)
        self.path = path
        self.board = board
        self.load = load
        workers = Array(repeating: nil, count: load.processes)
        models = Array(repeating: [:], count: load.processes)
        known = Array(repeating: 0, count: load.processes)
        killedAt = Array(repeating: -1, count: load.processes)
    }

    mutating func run(kills: Int, checkInterval: Int, moments: Bool) throws {
        board.phase = 1
        for worker in workers.indices { try start(worker) }
        // First, while there are regions that have yet to grow.
        if moments { try runMoments() }
        var random = SystemRandomNumberGenerator()
        for kill in 1...max(1, kills) where kills > 0 {
            Clock.blockingSleep(nanoseconds: UInt64.random(in: 0...20_000_000, using: &random))
            let worker = Int.random(in: workers.indices, using: &random)
            try end(worker, kills: true)
            if kill % checkInterval == 0 { try check() }
            try start(worker)
        }
        board.phase = 2
        for worker in workers.indices { try end(worker, kills: false) }
        try check()
        try checkCounters()
    }

    /// Lets a process die at each named moment, while the others go on.
    private mutating func runMoments() throws {
        #if DEBUG
            for moment in TableMoment.allCases {
                for count in [1, 3] {
                    try end(0, kills: true)
                    do {
                        try start(0, ["--moment", moment.rawValue, "--count", "\(count)"])
                        try expectDeath(0, moment.rawValue)
                        try end(0, kills: true)
                        try check()
                    } catch let fault as Fault {
                        throw Fault(description: "moment \(moment), \(count): \(fault.description)")
                    }
                    try start(0)
                }
            }
        #else
            throw Fault(description: "only debug programs die at moments")
        #endif
    }

    /// Waits until a process has died by itself.
    private func expectDeath(_ worker: Int, _ moment: String) throws {
        while let process = workers[worker], !process.hasEnded {
            guard board.get(.operations, of: worker) < board.get(.operationsMax, of: worker) else {
                throw Fault(description: "the moment \(moment) did not come in \(Self.stepsMax) steps")
            }
            Clock.blockingSleep(nanoseconds: 500_000)
        }
    }

    mutating func stop() {
        for worker in workers.compactMap({ $0 }) {
            worker.kill()
            _ = worker.blockingWait()
        }
        workers = []
    }

    /// Steps that a process may do before it is killed: the parent has to follow them all.
    private static let stepsMax = 5000

    private mutating func start(_ worker: Int, _ more: [String] = []) throws {
        board.set(known[worker] + Self.stepsMax, .operationsMax, of: worker)
        let arguments = ["torture-worker", "--path", path, "--board", board.path, "--number", "\(worker)"]
        workers[worker] = try ChildProcess(thisProgramWith: arguments + load.arguments + more)
    }

    private mutating func end(_ worker: Int, kills: Bool) throws {
        guard let process = workers[worker] else { return }
        if kills { process.kill() }
        let outcome = process.blockingWait()
        workers[worker] = nil
        guard outcome == (kills ? -9 : 0) else { throw Fault(description: "process \(worker) ended with \(outcome)") }
        let done = board.get(.operations, of: worker)
        replay(worker, to: done)
        // A step that was under way at a kill stays uncertain until its process has come to do it again.
        let isUncertain = kills || killedAt[worker] == done
        if kills { killedAt[worker] = done }
        try compare(worker, inFlight: isUncertain ? TortureStep(done, worker: worker, load) : nil)
    }

    private mutating func replay(_ worker: Int, to end: Int) {
        for index in known[worker]..<max(end, known[worker]) {
            let step = TortureStep(index, worker: worker, load)
            switch step.action {
            case .put(let value): models[worker][step.keyNumber] = value
            case .remove: models[worker][step.keyNumber] = nil
            case .add: adds += 1
            }
        }
        known[worker] = max(end, known[worker])
    }

    /// All keys of a worker are as its steps say; that of the step that was under way may be as before or after.
    private mutating func compare(_ worker: Int, inFlight: TortureStep?) throws {
        if inFlight?.action == .add { uncertainAdds += 1 }
        for number in 0..<load.keys {
            let found: [UInt8]? = try table.get(TortureStep.key(number, worker: worker))
            if found == models[worker][number] { continue }
            if let inFlight, inFlight.keyNumber == number {
                if case .put(let value) = inFlight.action, found == value { continue }
                if inFlight.action == .remove, found == nil { continue }
            }
            throw Fault(description: "key \(number) of process \(worker) has a wrong value after step \(known[worker])")
        }
    }

    private func check() throws {
        let check = try table.check()
        guard check.faults.isEmpty else { throw Fault(description: check.faults.joined(separator: "\n")) }
    }

    /// Each addition counts once; those under way at a kill once or not at all.
    private func checkCounters() throws {
        var sum = 0
        for counter in 0..<TortureLoad.sharedCounters {
            sum += Int(try table.get("counter \(counter)", as: Int64.self) ?? 0)
        }
        guard sum >= adds, sum <= adds + uncertainAdds else {
            throw Fault(description: "the counters' sum is \(sum), and should be \(adds) to \(adds + uncertainAdds)")
        }
    }
}
