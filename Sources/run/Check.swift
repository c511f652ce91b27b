import ArgumentParser
import Protostore

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify every record, commit, summary and index slot of a store that is not being served.",
        discussion: """
            Changes nothing without --repair, and takes as long as reading the datafile. Prints a line for each finding, \
            then what was looked at. A store that was not closed in order is not damaged: torn ends of its logs are notes.

            Exit code: 0 whole, 1 damaged, 2 it cannot be checked. With --repair: 0 whole now, 1 damage is left, 2 it \
            cannot be checked or written.
            """)

    @Option(help: "Directory of the store.")
    var path: String

    @Option(help: "Block device that is the datafile, where it has another name than the directory remembers.")
    var datafile: String?

    @Flag(
        help: """
            Write again what can be made good from the rest of the store: copies of superblock, segment map and \
            directories, headers, summaries, footers, the saved index. No valid record is dropped, and damaged ones \
            stay as they are. A whole store is not written to.
            """)
    var repair = false

    @Flag(
        help: """
            Repair also what decides that acknowledged writes are lost: keys that only what is lost held will be \
            answered as missing, or with older values.
            """)
    var acceptLoss = false

    func validate() throws {
        guard repair || !acceptLoss else { throw ValidationError("--accept-loss is for --repair.") }
    }

    func run() throws {
        do {
            let report = try repair ? repaired() : checked()
            if !report.isWhole { throw ExitCode(1) }
        } catch let error as StoreError {
            StandardError.write("run check: \(error)\n")
            throw ExitCode(2)
        }
    }

    private func watch(_ done: Int, _ count: Int) -> Bool {
        if StandardError.isTerminal { StandardError.write("\r\(done) of \(count) segments\(done == count ? "\n" : "")") }
        return true
    }

    private func checked() throws -> CheckReport {
        let report = try StoreCheck.blockingRun(directory: path, device: datafile, everySegment: watch)
        report.lines.forEach { print($0) }
        return report
    }

    /// - Returns: what is left.
    private func repaired() throws -> CheckReport {
        var options = StoreRepair.Options(wallMilliseconds: Clock.wallMilliseconds())
        options.acceptsLoss = acceptLoss
        let outcome = try StoreRepair.blockingRun(
            directory: path, device: datafile, options: options,
            checked: { report in report.lines.forEach { print($0) } }, everySegment: watch)
        outcome.lines.forEach { print($0) }
        if outcome.steps.isEmpty {
            if !outcome.after.isWhole { print("nothing was repaired") }
        } else {
            outcome.after.lines.forEach { print($0) }
        }
        return outcome.after
    }
}
