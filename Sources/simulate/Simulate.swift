import ArgumentParser
import Protostore

/// The crash simulator's command line.
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Crash simulated stores, recover them, and compare every key with what it may be.",
        discussion: """
            Each seed is a history of one small store: several lives of its process over a simulated disk, with \
            faults, crashes, kills and stops, and a comparison after each. The same seed always does the same.
            """)

    @Option(help: "What is done to the stores: \(Simulation.Lane.allCases.map(\.rawValue).joined(separator: " or ")).")
    var lane = Simulation.Lane.crash
    @Option(help: "How many histories to run.")
    var seeds: UInt64 = 1000
    @Option(help: "The seed of the first one.")
    var firstSeed: UInt64 = 1
    @Option(help: "Run this one only.")
    var seed: UInt64?
    @Option(help: "Begin no history after so many seconds.")
    var seconds: Double?
    @Option(help: "How many threads.")
    var threads = Thread.processorCount
    @Flag(help: "Print what happens; with --seed.")
    var verbose = false
    @Option(help: "Plant this bug.")
    var bug: PlantedBug?
    @Flag(help: "List the bugs that can be planted.")
    var listBugs = false
    @Flag(help: "Plant each bug, and print how many seeds it takes to catch it.")
    var surveyBugs = false

    mutating func validate() throws {
        guard threads >= 1 else { throw ValidationError("--threads is at least 1") }
        if bug != nil || surveyBugs, !PlantedBug.canBePlanted {
            throw ValidationError("bugs can be planted in a build with -Xswiftc -DPLANTED_BUGS only")
        }
        guard !verbose || seed != nil else { throw ValidationError("--verbose needs --seed") }
    }

    mutating func run() throws {
        if listBugs { return print(PlantedBug.allCases.map(\.rawValue).joined(separator: "\n")) }
        PlantedBug.plant(bug)
        if surveyBugs { return try survey() }
        if let seed { return try replay(seed) }
        let result = try fleet(lane).blockingRun(threadCount: threads)
        print(summary(result))
        guard let failure = result.failure else { return }
        print("seed \(failure.seed): \(failure.reason)\nreplay: \(command(failure.seed))")
        throw ExitCode.failure
    }

    /// - Parameter skipped: seeds that are left out before the first.
    private func fleet(_ lane: Simulation.Lane, skipped: UInt64 = 0, seconds: Double? = nil) -> SimulationFleet {
        let first = firstSeed &+ skipped
        let end = first.addingReportingOverflow(seeds)
        return SimulationFleet(
            lane, seeds: first..<(end.overflow ? .max : end.partialValue),
            seconds: seconds ?? self.seconds ?? .infinity)
    }

    private func summary(_ result: SimulationFleet.Result) -> String {
        let figures = result.figures
        return "\(figures.histories) histories, \(figures.crashStates) states compared, "
            + "\(figures.interruptedOpenings) openings cut short, \(figures.operations) operations "
            + "in \(Int(result.seconds.rounded())) s; \(figures.freedSegments) segments freed, "
            + "\(figures.copiedRecords) records copied, \(figures.droppedDeletes) deletes dropped, "
            + "\(figures.expiredKeys) expired keys swept, \(figures.backups) backups compared, \(figures.abandonedBackups) given up, "
            + "\(figures.walks) walks, \(figures.databaseChanges) changes of databases, \(figures.deadSweeps) sweeps of dead namespaces"
    }

    private func command(_ seed: UInt64) -> String {
        "simulate" + (lane == .crash ? "" : " --lane \(lane.rawValue)") + (bug.map { " --bug \($0.rawValue)" } ?? "")
            + " --seed \(seed) --verbose"
    }

    private func replay(_ seed: UInt64) throws {
        var simulation = try Simulation()
        do {
            try simulation.run(lane, seed: seed, story: verbose ? { print($0) } : nil)
            print("seed \(seed): nothing is wrong")
        } catch {
            print("seed \(seed): \(error)\nreplay: \(command(seed))")
            throw ExitCode.failure
        }
    }

    /// - Throws: `ExitCode.failure` where a bug was not caught.
    private mutating func survey() throws {
        var missed = 0
        for bug in PlantedBug.allCases {
            PlantedBug.plant(bug)
            var isCaught = false
            for lane in Simulation.Lane.allCases where !isCaught {
                // The damages to the second store, as `make simulate` has them: the first one shows fewer bugs.
                let skipped: UInt64 = lane == .rot ? 999 : 0
                let result = try fleet(lane, skipped: skipped, seconds: seconds ?? 60).blockingRun(threadCount: threads)
                isCaught = result.failure != nil
                let finding = result.failure.map { "seed \($0.seed): \($0.reason.prefix(120))" } ?? (bug.isHardlySeen ? "not caught, as expected" : "not caught")
                print("\(bug.rawValue), \(lane.rawValue), \(summary(result)): \(finding)")
            }
            if !isCaught, !bug.isHardlySeen { missed += 1 }
        }
        if missed > 0 { throw ExitCode.failure }
    }
}

extension Simulation.Lane: ExpressibleByArgument {}
extension PlantedBug: ExpressibleByArgument {}
