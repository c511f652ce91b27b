import ArgumentParser

/// The server's command line: `run [serve] ...`.
@main
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Protostore: a key-value store for data larger than memory.",
        subcommands: [Serve.self],
        defaultSubcommand: Serve.self)
}
