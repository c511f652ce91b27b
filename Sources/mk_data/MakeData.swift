import ArgumentParser
import Protostore

/// Generates a store of random keys and of values that verify themselves.
///
/// Exit codes: 0 done, 1 failed, 64 senseless options, 128 + n stopped by
/// signal n. Except after 0, no file of the build is left.
@main
struct MakeData: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mk_data",
        abstract: "Generate a store of random keys and self-describing values.")

    @Option(name: [.long, .customLong("num-keys")], help: "How many keys.")
    var numCookies: Int

    @Option(help: "Directory of the store; made if it is not there.")
    var path: String

    @Option(help: "Bytes of the smallest value, 0 to 65535.")
    var minSize: Int

    @Option(help: "Bytes of the largest value, 0 to 65535. Sizes are uniform in between.")
    var maxSize: Int

    @Option(help: "The same seed gives the same keys and values. (default: a random one, which is printed)")
    var seed: UInt64?

    @Flag(help: "Replace a store that is there.")
    var force = false

    /// For tests: more segments with less data.
    @Option(help: .hidden)
    var segmentBytes: Int?

    func validate() throws {
        let sizes = 0...StoreBuilder.Options.valueBytesMax
        let counts = 1...StoreBuilder.Options.keyCountMax
        guard counts.contains(numCookies) else {
            throw ValidationError("--num-cookies is \(numCookies): it must be 1 to \(counts.upperBound).")
        }
        guard sizes.contains(minSize) else {
            throw ValidationError("--min-size is \(minSize): it must be 0 to \(sizes.upperBound).")
        }
        guard sizes.contains(maxSize) else {
            throw ValidationError("--max-size is \(maxSize): it must be 0 to \(sizes.upperBound).")
        }
        guard minSize <= maxSize else {
            throw ValidationError("--min-size \(minSize) is more than --max-size \(maxSize).")
        }
        guard !path.isEmpty else { throw ValidationError("--path is empty.") }
        if let segmentBytes, DatafileLayout(segmentBytes: segmentBytes, granuleBytes: DatafileLayout.blockBytes) == nil {
            throw ValidationError("--segment-bytes is \(segmentBytes): it must be a power of two, 64 KiB to 1 GiB.")
        }
    }

    func run() throws {
        SignalDescriptor.ignoreBrokenPipes()
        let signals = try SignalDescriptor([2, 15])  // SIGINT, SIGTERM
        let seed = seed ?? .random(in: .min ... .max)
        var options = StoreBuilder.Options(
            keyCount: numCookies, valueBytes: minSize...maxSize, path: path, seed: seed)
        options.force = force
        options.segmentBytes = segmentBytes
        var display = ProgressDisplay(isTerminal: StandardError.isTerminal)
        var stopSignal: CInt?
        do {
            let report = try StoreBuilder.build(options) { progress in
                display.show(progress)
                stopSignal = stopSignal ?? signals.next()
                return stopSignal == nil
            }
            display.end()
            print(summary(report, seed: seed))
        } catch {
            display.end()
            StandardError.write("mk_data: \(error)\n")
            throw ExitCode(stopSignal.map { 128 + $0 } ?? 1)
        }
    }

    private func summary(_ report: StoreBuilder.Report, seed: UInt64) -> String {
        let seconds = Double(report.nanoseconds) / 1e9
        let memoryBytes = ProcessUsage.current().residentBytesMax
        return """
            \(report.keyCount) keys, \(report.valueBytes) bytes of values, \(report.datafileBytes) bytes of datafile
            \(decimal(seconds, places: 2)) s, \(decimal(Double(report.datafileBytes) / 1e6 / seconds)) MB/s
            memory: \(decimal(Double(report.indexBytes) / Double(report.keyCount))) bytes of index per key, \
            \(decimal(Double(memoryBytes) / 1e6)) MB at most in all
            seed: \(seed)
            """
    }
}
