import ArgumentParser
import Protostore

struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy a store, served or not, as of one moment.",
        discussion: """
            Where a server has the store open, it makes the copy while it goes on serving, in a directory of its own \
            machine and with its own rights; whoever asks must be its user, or root. Everything that was acknowledged \
            before the moment of the copy is in it, and nothing that was sent later. Segments that are being copied \
            cannot be used again meanwhile: where writes need their space, the backup is given up, and removed.

            To restore, open the copy: it is a store of its own (`run --path TO`), and makes its index at the first start.

            Exit code: 0 the copy is whole, 1 it is complete and has damage that the store has, 2 there is no copy.
            """)

    @Option(help: "Directory of the store.")
    var path: String

    @Option(help: "Directory for the copy: one without a store; made if its parent is there.")
    var to: String

    @Option(
        help: """
            Block device that is the datafile of a store that is not served, where it has another name than the directory \
            remembers.
            """)
    var datafile: String?

    @Option(help: ArgumentHelp("Copy at most so many megabytes (10^6 bytes) per second.", valueName: "MB/s"))
    var rate: Double?

    func validate() throws {
        // Not a comparison: what is not a number is in no range.
        if let rate, !(0.001...1_000_000).contains(rate) {
            throw ValidationError("--rate is \(rate); 0.001 to 1000000 megabytes per second are possible")
        }
    }

    func run() throws {
        let isWatched = StandardError.isTerminal
        do {
            let report = try BackupClient.blockingRun(
                directory: path, device: datafile, to: to, bytesPerSecondMax: rate.map { Int($0 * 1e6) }
            ) { done, all in
                if isWatched { StandardError.write("\r\(done >> 20) of \(all >> 20) MiB ") }
            }
            if isWatched { StandardError.write("\n") }
            for finding in report.findings { print("damage: \(finding)") }
            if report.moreFindings > 0 { print("damage: and \(report.moreFindings) more") }
            print(summary(report))
            if !report.findings.isEmpty { throw ExitCode(1) }
        } catch let code as ExitCode {
            throw code
        } catch {
            StandardError.write("\(isWatched ? "\n" : "")run backup: \((error as? SystemError)?.explanation ?? "\(error)")\n")
            throw ExitCode(2)
        }
    }

    private func summary(_ report: BackupClient.Report) -> String {
        func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
        let rate = report.seconds > 0 ? tenths(Double(report.byteCount) / report.seconds / 1e6) : "-"
        return """
            copied: \(report.byteCount) bytes of \(report.segmentCount) segments in \(tenths(report.seconds)) s, \(rate) MB/s
            as of: commit \(report.commits.map(String.init).joined(separator: ", ")) of \(report.commits.count) logs\
            \(report.isOnline ? "" : "; the store was not being served")
            """
    }
}
