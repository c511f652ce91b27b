import ArgumentParser
import Protostore

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify every record, commit, summary and index slot of a store that is not being served.",
        discussion: """
            Changes nothing, and takes as long as reading the datafile. Prints a line for each finding, then what was \
            looked at. A store that was not closed in order is not damaged: torn ends of its logs are notes.

            Exit code: 0 whole, 1 damaged, 2 it cannot be checked.
            """)

    @Option(help: "Directory of the store.")
    var path: String

    @Option(help: "Block device that is the datafile, where it has another name than the directory remembers.")
    var datafile: String?

    func run() throws {
        let isWatched = StandardError.isTerminal
        do {
            let report = try StoreCheck.blockingRun(directory: path, device: datafile) { done, count in
                if isWatched { StandardError.write("\r\(done) of \(count) segments\(done == count ? "\n" : "")") }
                return true
            }
            report.lines.forEach { print($0) }
            if !report.isWhole { throw ExitCode(1) }
        } catch let error as StoreError {
            StandardError.write("run check: \(error)\n")
            throw ExitCode(2)
        }
    }
}
