import ArgumentParser
import Protostore

import func Glibc.fflush

/// `bench connect`: opens idle connections, holds them, and says how many the
/// server kept.
struct ConnectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Open idle connections and hold them.")

    @OptionGroup var server: ServerOptions

    @Option(name: [.short, .long], help: "Number of connections.")
    var clients = 10_000

    @Option(name: [.short, .long], help: "How long to hold them.")
    var seconds = 10.0

    func validate() throws {
        if clients < 1 { throw ValidationError("--clients must be at least 1") }
        if !(seconds >= 0 && seconds <= 1e6) { throw ValidationError("--seconds must be between 0 and 1000000") }
        if server.port == 0 { throw ValidationError("--port must be between 1 and 65535") }
    }

    func run() throws {
        try DescriptorBudget.require(connections: clients)
        var idle = try IdleConnections(capacity: clients)
        let failure = idle.open(clients, host: server.host, port: server.port)
        print("opened \(idle.opened) of \(clients) connections")
        if let failure { print("error: \(failure)") }
        // All streams: whoever reads a pipe waits for these lines before it goes on.
        fflush(nil)
        let closed = try idle.blockingHold(nanoseconds: UInt64(seconds * 1e9))
        print("held \(idle.opened - closed) for \(Format.fixed(seconds, 1)) s; the server closed \(closed)")
        if failure != nil || closed > 0 { throw ExitCode.failure }
    }
}
