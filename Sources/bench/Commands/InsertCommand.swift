import ArgumentParser
import Protostore

/// `bench insert`: writes alone, as the original's insert client sends them.
struct InsertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "insert",
        abstract: "Load a server with writes over the native protocol.",
        discussion: """
            Overwrites the keys of a data directory with pseudo-random data of the stored length; a write counts when \
            it is acknowledged, which means that it is on stable storage. What the original calls \
            "insert HOST PORT CLIENTS SECONDS DIR" is: bench insert --host HOST --port PORT --clients CLIENTS \
            --seconds SECONDS --path DIR.
            """)

    @OptionGroup var keys: WrittenKeyOptions

    @OptionGroup var options: LoadOptions

    @Flag(help: "At the end, read back every key that was written and compare every byte.")
    var verify = false

    private var load: LoadConfiguration {
        keys.configure(options.configuration("insert"), readRatio: 0)
    }

    func validate() throws {
        try LoadOptions.validate(load)
    }

    func run() throws {
        let session = LoadSession(
            load: try keys.load(load), source: keys.source, readsBack: verify ? .written : .nothing)
        if try session.run(options).hasFailed { throw ExitCode.failure }
    }
}
