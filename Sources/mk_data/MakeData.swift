import ArgumentParser
import Protostore

/// Generates a store of random keys and of values that verify themselves, or imports one from
/// the original protostore.
///
/// Exit codes: 0 done, 1 failed, 64 senseless options, 128 + n stopped by
/// signal n. Except after 0, no file of the build is left.
@main
struct MakeData: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mk_data",
        abstract: "Generate a store of random keys and self-describing values, or import one of the original protostore.",
        usage: """
            mk_data --num-cookies <n> --min-size <bytes> --max-size <bytes> --path <dir> [--seed <seed>] \
            [--datafile <device>] [--force]
            mk_data --import <old> --path <dir> [--datafile <device>] [--force]
            """,
        discussion: """
            --import takes the directory that the original protostore's mk_data wrote: protostore.data, values without \
            headers, and the three protostore.toc files. It is verified before anything is written to --path, and is \
            not changed.
            """)

    @Option(name: [.long, .customLong("num-keys")], help: "How many keys.")
    var numCookies: Int?

    @Option(help: "Directory of the store; made if it is not there.")
    var path: String

    @Option(help: "Bytes of the smallest value, 0 to 65535.")
    var minSize: Int?

    @Option(help: "Bytes of the largest value, 0 to 65535. Sizes are uniform in between.")
    var maxSize: Int?

    @Option(help: "The same seed gives the same keys and values. (default: a random one, which is printed)")
    var seed: UInt64?

    @Option(
        name: .customLong("import"),
        help: ArgumentHelp("Directory of the original protostore's mk_data: take its keys and values.", valueName: "old"))
    var importPath: String?

    @Option(
        help: """
            Block device that is to be the datafile, in place of protostore.data in --path. The directory remembers it.
            """)
    var datafile: String?

    @Flag(help: "Replace a store that is there, or whatever the device of --datafile holds.")
    var force = false

    /// For tests: more segments with less data.
    @Option(help: .hidden)
    var segmentBytes: Int?

    func validate() throws {
        if let importPath {
            try validateImport(importPath)
        } else {
            _ = try generation(seed: 0)
        }
        if let datafile, !datafile.hasPrefix("/") || datafile.contains("\n") {
            throw ValidationError("--datafile is \(datafile): the path of a block device is wanted, such as /dev/disk/by-id/...")
        }
        guard !path.isEmpty else { throw ValidationError("--path is empty.") }
        if let segmentBytes, DatafileLayout(segmentBytes: segmentBytes, granuleBytes: DatafileLayout.blockBytes) == nil {
            throw ValidationError("--segment-bytes is \(segmentBytes): it must be a power of two, 64 KiB to 1 GiB.")
        }
    }

    private func validateImport(_ importPath: String) throws {
        guard !importPath.isEmpty else { throw ValidationError("--import is empty.") }
        let senseless = [
            ("--num-cookies", numCookies != nil), ("--min-size", minSize != nil), ("--max-size", maxSize != nil),
            ("--seed", seed != nil),
        ]
        if let (option, _) = senseless.first(where: { $0.1 }) {
            throw ValidationError("\(option) makes no sense with --import: keys and values are those of \(importPath).")
        }
    }

    /// What is to be generated.
    private func generation(seed: UInt64) throws -> StoreBuilder.Options {
        let sizes = 0...StoreBuilder.Options.valueBytesMax
        let counts = 1...StoreBuilder.Options.keyCountMax
        let numCookies = try Self.required(numCookies, "--num-cookies <num-cookies>")
        let minSize = try Self.required(minSize, "--min-size <min-size>")
        let maxSize = try Self.required(maxSize, "--max-size <max-size>")
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
        var options = StoreBuilder.Options(
            keyCount: numCookies, valueBytes: minSize...maxSize, path: path, seed: seed)
        options.destination = destination
        return options
    }

    private static func required(_ value: Int?, _ name: String) throws -> Int {
        guard let value else {
            throw ValidationError("Missing expected argument '\(name)' (or --import, to take the keys and values of another store).")
        }
        return value
    }

    private var destination: StoreBuilder.Destination {
        var destination = StoreBuilder.Destination(path: path)
        destination.device = datafile
        destination.force = force
        destination.segmentBytes = segmentBytes
        return destination
    }

    func run() throws {
        SignalDescriptor.ignoreBrokenPipes()
        let signals = try SignalDescriptor([2, 15])  // SIGINT, SIGTERM
        let seed = seed ?? .random(in: .min ... .max)
        var display = ProgressDisplay(isTerminal: StandardError.isTerminal)
        var stopSignal: CInt?
        do {
            let report = try build(seed: seed) { progress in
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

    private func build(
        seed: UInt64, everyTick: (StoreBuilder.Progress) -> Bool
    ) throws -> StoreBuilder.Report {
        if let importPath {
            return try StoreBuilder.build(importing: importPath, destination, everyTick: everyTick)
        }
        return try StoreBuilder.build(generation(seed: seed), everyTick: everyTick)
    }

    private func summary(_ report: StoreBuilder.Report, seed: UInt64) -> String {
        let seconds = Double(report.nanoseconds) / 1e9
        let memoryBytes = ProcessUsage.current().residentBytesMax
        return """
            \(report.keyCount) keys, \(report.valueBytes) bytes of values, \(report.datafileBytes) bytes of datafile
            \(decimal(seconds, places: 2)) s, \(decimal(Double(report.datafileBytes) / 1e6 / seconds)) MB/s
            memory: \(decimal(Double(report.indexBytes) / Double(report.keyCount))) bytes of index per key, \
            \(decimal(Double(memoryBytes) / 1e6)) MB at most in all
            \(importPath.map { "imported from: \($0)" } ?? "seed: \(seed)")
            """
    }
}
