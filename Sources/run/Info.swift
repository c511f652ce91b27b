import ArgumentParser
import Protostore

struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is in a store that is not being served.",
        discussion: "Reads headers, footers and what is not sealed; `run check` verifies everything.")

    @Option(help: "Directory of the store.")
    var path: String

    @Option(help: "Block device that is the datafile, where it has another name than the directory remembers.")
    var datafile: String?

    func run() throws {
        do {
            try StoreInformation(directory: path, device: datafile).lines.forEach { print($0) }
        } catch {
            StandardError.write("run info: \(error)\n")
            throw ExitCode(2)
        }
    }
}
