import ArgumentParser
import SharedTable

/// What the processes of a torture agree on.
struct TortureLoad: ParsableArguments {
    @Option(help: "Processes that write.")
    var processes = 4
    @Option(help: "Keys that each process has for itself.")
    var keys = 2000
    @Option(help: "Seed of all random choices.")
    var seed: UInt64 = 1

    func validate() throws {
        guard processes >= 1, processes <= 64 else { throw ValidationError("--processes must be 1 to 64") }
        guard keys >= 1, keys < 1 << 24 else { throw ValidationError("--keys must be 1 to 16777215") }
    }

    var arguments: [String] { ["--processes", "\(processes)", "--keys", "\(keys)", "--seed", "\(seed)"] }

    /// Counters that all processes add to: few, so that they meet.
    static let sharedCounters = 4
}

/// Step n of a worker: a pure function of seed, worker and n, so that the parent knows what a worker did.
struct TortureStep {
    enum Action: Equatable {
        case put([UInt8])
        case remove
        case add
    }

    let key: [UInt8]
    let keyNumber: Int
    let action: Action

    init(_ index: Int, worker: Int, _ load: TortureLoad) {
        var random = SplitMix64(seed: load.seed &* 0x9E37_79B9 &+ UInt64(worker) &<< 40 &+ UInt64(index))
        let choice = random.next() % 100
        if choice < 10 {
            keyNumber = -1
            key = Array("counter \(random.next() % UInt64(TortureLoad.sharedCounters))".utf8)
            action = .add
            return
        }
        // In waves, so that the table grows and shrinks.
        let isShrinking = index / (4 * load.keys) % 2 == 1
        // Some keys are written again and again, so that there are dead records to collect.
        let isHot = random.next() % 4 == 0
        keyNumber = Int(random.next() % UInt64(isHot ? min(8, load.keys) : load.keys))
        key = Self.key(keyNumber, worker: worker)
        guard choice >= (isShrinking ? 70 : 25) else {
            action = .remove
            return
        }
        let byteCount =
            switch isHot ? 90 : random.next() % 100 {
            case 0..<50: 4
            case 50..<80: Int(random.next() % 100)
            case 80..<99: Int(random.next() % 4000)
            default: Int(random.next() % 200_000)
            }
        let start = UInt8(truncatingIfNeeded: random.next())
        action = .put((0..<byteCount).map { start &+ UInt8(truncatingIfNeeded: $0 &* 3) })
    }

    static func key(_ number: Int, worker: Int) -> [UInt8] {
        let short = UInt32(worker) << 24 | UInt32(number)
        let bytes = withUnsafeBytes(of: short.littleEndian) { Array($0) }
        return number % 4 == 0 ? bytes + Array("a longer key".utf8) : bytes
    }
}

/// The hidden subcommand of a process that is going to be killed.
struct TortureWorker: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "torture-worker", shouldDisplay: false)

    @Option var path: String
    @Option var board: String
    @Option var number: Int
    @OptionGroup var load: TortureLoad
    @Option(help: "Die at this moment, for the so-manieth time: debug programs only.") var moment: String?
    @Option var count = 1

    func validate() throws {
        guard number >= 0, number < load.processes else { throw ValidationError("--number must be one of the processes") }
        guard count >= 1 else { throw ValidationError("--count must be positive") }
    }

    private func arm() throws {
        guard let moment else { return }
        #if DEBUG
            guard let moment = TableMoment(rawValue: moment) else { throw ValidationError("no moment is called \(moment)") }
            TableMoment.arm(moment, count: count)
        #else
            throw ValidationError("only debug programs die at moments: not \(moment)")
        #endif
    }

    func run() throws {
        try arm()
        let table = try SharedTable(attaching: path)
        let board = try Board(path: board, workers: load.processes, creates: false)
        var index = board.get(.operations, of: number)
        while board.phase == 1 {
            guard index < board.get(.operationsMax, of: number) else {
                try board.expectParent()
                Clock.blockingSleep(nanoseconds: 500_000)
                continue
            }
            let step = TortureStep(index, worker: number, load)
            switch step.action {
            case .put(let value): try table.put(step.key, value)
            case .remove: try table.remove(step.key)
            case .add: try table.add(step.key, 1)
            }
            index += 1
            board.set(index, .operations, of: number)
        }
    }
}
