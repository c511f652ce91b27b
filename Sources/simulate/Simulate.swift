import ArgumentParser
import Protostore

/// The crash simulator's command line.
@main
struct Simulate: ParsableCommand {
    @Option var firstSeed: UInt64 = 1
    @Option var seeds: UInt64 = 1000
    @Option var failures = 1
    @Flag var verbose = false

    mutating func run() throws {
        var simulation = try Simulation()
        var count = 0
        for seed in firstSeed..<(firstSeed + seeds) {
            do {
                try simulation.run(seed: seed, story: verbose ? { print($0) } : nil)
            } catch {
                print("seed \(seed): \(error)")
                count += 1
                if count >= failures { throw ExitCode.failure }
            }
        }
        print(simulation.figures)
    }
}
