import Foundation
import Testing

@testable import Protostore

/// A store with its clients, through lives of the real program that end in every way.
final class StoreUnderTest {
    let store: ScratchDirectory
    let writers: Writers
    /// What failed so far is of this history: it goes into each expectation.
    private(set) var history = ""

    init(seed: UInt64 = 1, clients: Int = 4) throws {
        store = try ScratchDirectory()
        writers = Writers(count: clients, seed: seed)
    }

    /// Where the program maps the index.
    var indexPath: String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: store.indexPath)) ?? []
        return names.first { $0.hasPrefix("protostore-") && $0.hasSuffix(".index") }.map { "\(store.indexPath)/\($0)" }
    }

    // MARK: Lives

    /// Starts the program.
    func start(_ arguments: [String] = [], environment: [String: String] = [:]) throws -> RunProgram {
        history += "| start \(arguments.joined(separator: " ")) \(environment.values.sorted().joined(separator: " ")) "
        return try RunProgram(
            ["--path", store.path, "--port", "0", "--index-path", store.indexPath, "--segment-bytes", "262144"] + arguments,
            environment: environment)
    }

    /// Starts it, holds what is there against what must be, and lets the clients go on.
    func startVerified(_ arguments: [String] = [], environment: [String: String] = [:]) throws -> RunProgram {
        let program = try start(arguments, environment: environment)
        try writers.verify(port: program.port(), history + program.complaint)
        return program
    }

    /// Lets the clients write until they had so many answers, then sends a signal.
    func load(_ program: RunProgram, answers: Int, end: Int32) throws {
        try writers.start(port: program.port())
        writers.waits(forAnswers: answers)
        program.signal(end)
        history += "| \(answers) answers, signal \(end) "
        try finish(program, exitCode: end == SIGKILL ? -SIGKILL : 0)
    }

    /// Lets every client write something that is acknowledged to the last, then sends a signal.
    func fill(_ program: RunProgram, end: Int32) throws {
        let port = try program.port()
        for writer in writers.all { #expect(writer.run(port: port, count: 100)) }
        program.signal(end)
        history += "| filled, signal \(end) "
        try finish(program, exitCode: end == SIGKILL ? -SIGKILL : 0)
    }

    /// Waits for the program's end.
    func finish(_ program: RunProgram, exitCode: Int32, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let code = try program.blockingWait()
        writers.blockingFinish()
        writers.expectNoProblems(history)
        #expect(code == exitCode, "\(history)\(program.complaint)", sourceLocation: sourceLocation)
    }

    // MARK: The whole store

    /// Looks at everything that the datafile holds, while no process has it open.
    func check(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let report = try StoreCheck.blockingRun(directory: store.path)
        #expect(report.isWhole, "\(history)\(report.lines)", sourceLocation: sourceLocation)
    }

    /// The last of it: a clean stop, the same again from the saved index, and once more
    /// without any.
    func verifyToTheEnd() throws {
        for source in ["", "loaded the index", "rebuilt the index"] {
            if source == "rebuilt the index" { try Directory.removeFile(store.file("protostore.index")) }
            let program = try startVerified()
            #expect(source.isEmpty || program.complaint.contains(source), "\(history)\(program.complaint)")
            program.signal(SIGTERM)
            try finish(program, exitCode: 0)
            try check()
        }
    }
}
