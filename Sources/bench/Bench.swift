import ArgumentParser

@main struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure Protostore.", subcommands: [IndexBenchmark.self])
}
