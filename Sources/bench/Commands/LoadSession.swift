import ArgumentParser
import FoundationEssentials
import Histogram
import Protostore

import var Glibc.SIGINT
import var Glibc.SIGTERM
import func Glibc.fflush

/// A load as a command shows it: header, a line a second, reading back, summary and files.
struct LoadSession {
    let load: Load
    /// Where the keys come from, for people.
    let source: String
    var readsBack = ReadBack.nothing

    /// What is read at the end, when all writes have been answered.
    enum ReadBack {
        case nothing, written, all
    }

    /// - Returns: the report; the files are written.
    /// - Throws: what connecting and writing files throw; errors of the load are in the report.
    func run(_ options: LoadOptions) throws -> LoadReport {
        try DescriptorBudget.require(connections: load.configuration.clients)
        // Before the run: a path that cannot be written must not cost its results.
        let jsonFile = try OutputFile(options.json)
        let hgrmFile = try OutputFile(options.hgrm)
        let run = try LoadRun(load)
        print(load.configuration.header(source: source, keyCount: load.keys.count))
        var lines = try LiveLines(kinds: load.configuration.kinds)
        let result = try run.run(&lines)
        var report = result.report
        if readsBack != .nothing, let ledger = load.ledger { report.add(try readBack(ledger, &lines)) }
        print("\n" + report.summary)
        try jsonFile.write { try report.json() }
        try hgrmFile.write { Data(result.latency.percentileDistribution.utf8) }
        return report
    }

    private func readBack(_ ledger: Ledger, _ lines: inout LiveLines) throws -> LoadReport {
        print("reading back what was written")
        fflush(nil)
        lines.kinds = [.read]
        return try LoadRun(.readBack(ledger, like: load.configuration, all: readsBack == .all)).run(&lines).report
    }
}

/// A file named by an option, or nothing.
struct OutputFile: ~Copyable {
    private let descriptor: FileDescriptor?

    init(_ path: String?) throws(SystemError) {
        guard let path else {
            descriptor = nil
            return
        }
        descriptor = try FileDescriptor.open(path, [.write, .create, .truncate], mode: 0o644)
    }

    func write(_ content: () throws -> Data) throws {
        guard descriptor != nil else { return }
        try content().withUnsafeBytes { try descriptor!.write($0, at: 0) }
    }
}

/// Prints lines as they come; an interrupt ends the run early, with its summary.
struct LiveLines: LoadRun.Listener, ~Copyable {
    private let interrupts: SignalDescriptor
    private var hasColumns = false
    /// Of the run that is shown; a change gives new columns.
    var kinds: [OperationKind] {
        didSet { hasColumns = false }
    }

    /// Create it before the load threads, which inherit the blocked signals.
    init(kinds: [OperationKind]) throws(SystemError) {
        interrupts = try SignalDescriptor([SIGINT, SIGTERM])
        self.kinds = kinds
    }

    mutating func second(_ second: LoadReport.Second?) {
        if !hasColumns { print(LoadReport.Second.columns(kinds)) }
        hasColumns = true
        print(second?.line ?? "  warm-up")
        // All streams: a pipe or a file would otherwise see nothing until the end.
        fflush(nil)
    }

    mutating func problem(_ text: String) {
        print("error: \(text)")
        fflush(nil)
    }

    mutating func wantsEnd() -> Bool {
        interrupts.next() != nil
    }
}

extension LoadReport {
    /// With sorted keys and one field a line.
    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}
