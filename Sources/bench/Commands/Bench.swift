import ArgumentParser
import Protostore

/// `bench`: the load generators and micro-benchmarks of Protostore, one
/// subcommand each.
///
/// The path of a request through the sources: ``Workload`` says what to ask,
/// ``RequestSlots`` gives it an id, ``RequestBuffer`` encodes it,
/// ``ClientLoop`` sends it and receives the reply, ``ResponseCursor`` cuts that
/// off, ``ResponseCheck`` (or, where this client writes, the ``Ledger``) judges it,
/// and ``Interval`` takes it to the ``LoadReport``.
@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Load generators and benchmarks of Protostore.",
        subcommands: [
            ReadCommand.self, InsertCommand.self, MixedCommand.self, YCSBCommand.self, DurabilityCommand.self,
            ConnectCommand.self, IndexBenchmark.self, RebuildCommand.self, CompactionCommand.self,
            ChurnCommand.self,
        ])
}

/// Where the server is.
struct ServerOptions: ParsableArguments {
    @Option(help: "The server's address or name.")
    var host = "127.0.0.1"

    @Option(help: "The server's port.")
    var port: UInt16 = 12345
}

/// Something that ends the command with one line and exit code 1.
struct Failure: Error, CustomStringConvertible {
    let description: String
}

/// The descriptors that a command needs.
enum DescriptorBudget {
    /// Standard streams, epoll instances, files, and what the runtime opens.
    private static let others = 64

    /// Makes room for connections, as far as the system allows.
    /// - Throws: ``Failure`` if it is not enough, `SystemError` if the limit cannot be read.
    static func require(connections: Int) throws {
        let limit = try DescriptorLimit.raiseToHardLimit()
        guard connections > limit - others else { return }
        throw Failure(
            description: "\(connections) connections need \(connections + others) descriptors, but the hard limit "
                + "of this process is \(limit): raise it (ulimit -Hn) or use fewer clients")
    }
}
