import ArgumentParser

/// The server's command line: `run [serve] ...`.
@main
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Protostore: a key-value store for data larger than memory.",
        discussion: "`run --path DIR` is short for `run serve --path DIR`; its options: `run serve --help`.",
        subcommands: [Serve.self, Check.self, Info.self, Backup.self],
        defaultSubcommand: Serve.self)
}
