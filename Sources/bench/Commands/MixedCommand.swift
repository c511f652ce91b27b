import ArgumentParser
import Protostore

/// `bench mixed`: reads and writes of the same keys, with every read checked.
struct MixedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mixed",
        abstract: "Load a server with reads and writes, and check every read against what was written.",
        discussion: """
            Every byte of every read is compared. A read must return the last version that was acknowledged when the \
            read was sent, or one that was sent since; where writes of the key overlap in time, any of them \
            that a later one has not overwritten. Keys that were not written yet must be as mk_data generated them, \
            unless --modified is given. New keys are missing until they are written.
            """)

    @Option(help: "Share of reads, 0 to 1.")
    var readRatio = 0.5

    @OptionGroup var keys: WrittenKeyOptions

    @OptionGroup var options: LoadOptions

    @Flag(help: "At the end, read back every key that was written, too.")
    var verify = false

    private var load: LoadConfiguration {
        var load = keys.configure(options.configuration("mixed"), readRatio: readRatio)
        load.verifiesBytes = true
        return load
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
