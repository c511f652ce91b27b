import Foundation
import Testing

@testable import Protostore

/// The program `mk_data` as its users meet it.
@Suite struct MakeDataTests {
    struct Outcome {
        var exitCode: Int32
        var output: String
        var complaint: String
    }

    final class Run {
        private let process = Process()
        private let output = Pipe()
        private let complaint = Pipe()

        /// - Parameter limit: a command for the shell that starts the program.
        init(_ arguments: [String], limit: String = ":") throws {
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let program = URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "mk_data")
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", "\(limit); exec \"$0\" \"$@\"", program.path] + arguments
            process.standardOutput = output
            process.standardError = complaint
            try process.run()
        }

        var processIdentifier: pid_t { process.processIdentifier }

        func blockingWait() throws -> Outcome {
            let said = try output.fileHandleForReading.readToEnd() ?? Data()
            let complained = try complaint.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return Outcome(
                exitCode: process.terminationStatus, output: String(decoding: said, as: UTF8.self),
                complaint: String(decoding: complained, as: UTF8.self))
        }
    }

    static func run(_ arguments: [String]) throws -> Outcome { try Run(arguments).blockingWait() }

    static func arguments(_ path: String, keys: Int, sizes: ClosedRange<Int>, more: [String] = []) -> [String] {
        [
            "--num-cookies", "\(keys)", "--path", path, "--min-size", "\(sizes.lowerBound)",
            "--max-size", "\(sizes.upperBound)",
        ] + more
    }

    @Test(.noHang) func makesAStoreAndRefusesToMakeItAgain() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.file("new")
        let arguments = Self.arguments(path, keys: 100, sizes: 0...100, more: ["--seed", "5"])
        let first = try Self.run(arguments)
        #expect(first.exitCode == 0 && first.output.contains("100 keys") && first.output.contains("seed: 5"))
        #expect(try TableOfContents(directory: path).count == 100)
        let second = try Self.run(arguments)
        #expect(second.exitCode == 1)
        #expect(second.complaint == "mk_data: \(path)/protostore.data exists already; --force replaces it\n")
        #expect(try Self.run(arguments + ["--force"]).exitCode == 0)
    }

    @Test(.noHang, arguments: [
        ["--num-keys", "0"], ["--num-keys=-1"], ["--num-keys", "8589934593"], ["--num-keys", "many"],
        ["--min-size=-1"], ["--min-size", "11"], ["--max-size", "65536"], ["--max-size=-1"],
        ["--segment-bytes", "1000000"], ["--seed=-1"], ["--path", ""],
    ])
    func senselessOptionsAreUsageErrors(options: [String]) throws {
        let scratch = try ScratchDirectory()
        let defaults = ["--num-keys", "5", "--min-size", "1", "--max-size", "10", "--path", scratch.file("new")]
        let overridden = options[0].split(separator: "=")[0]
        let others = stride(from: 0, to: defaults.count, by: 2).filter { defaults[$0] != overridden }
            .flatMap { defaults[$0...$0 + 1] }
        let outcome = try Self.run(options + others)
        #expect(outcome.exitCode == 64, "\(outcome.complaint)")
        #expect(outcome.complaint.hasPrefix("Error: "))
        #expect(scratch.names == [])
    }

    @Test(.noHang, arguments: [SIGINT, SIGTERM])
    func aSignalLeavesNothing(signal: Int32) throws {
        let scratch = try ScratchDirectory()
        let run = try Run(
            Self.arguments(scratch.path, keys: 1_000_000, sizes: 0...0, more: ["--segment-bytes", "1048576"]))
        while !scratch.names.contains("protostore.toc.lengths") { usleep(1000) }
        kill(run.processIdentifier, signal)
        let outcome = try run.blockingWait()
        #expect(outcome.exitCode == 128 + signal)
        #expect(outcome.complaint.hasSuffix("mk_data: stopped before the end\n"))
        #expect(scratch.names == [])
    }

    @Test(.noHang) func aKilledRunLeavesNoStoreAndTheNextReplacesIt() throws {
        let scratch = try ScratchDirectory()
        let arguments = Self.arguments(scratch.path, keys: 100_000, sizes: 0...0)
        let run = try Run(arguments)
        while !scratch.names.contains("protostore.toc.lengths") { usleep(1000) }
        kill(run.processIdentifier, SIGKILL)
        _ = try run.blockingWait()
        #expect(scratch.names.contains("protostore.unfinished"))
        let datafile = try FileDescriptor.open(scratch.file("protostore.data"))
        #expect(try !Superblock.isPresent(in: datafile))
        #expect(try Self.run(Self.arguments(scratch.path, keys: 10, sizes: 0...0)).exitCode == 0)
        #expect(!scratch.names.contains("protostore.unfinished"))
    }

    /// All of it: index, segments of the workers, the program itself.
    @Test(.noHang) func takesLessThan64BytesOfMemoryPerKey() throws {
        let scratch = try ScratchDirectory()
        let outcome = try Self.run(
            Self.arguments(scratch.path, keys: 1_000_000, sizes: 0...8, more: ["--segment-bytes", "1048576"]))
        #expect(outcome.exitCode == 0)
        let match = try #require(outcome.output.firstMatch(of: /, ([0-9.]+) MB at most in all/))
        #expect(try #require(Double(match.1)) < 64)
    }

    /// The file system has room, but a file may not have it: 4 MiB are fewer than the datafile's 17.
    @Test(.noHang) func aFileThatCannotBeThatLongIsOneLine() throws {
        let scratch = try ScratchDirectory()
        let run = try Run(Self.arguments(scratch.path, keys: 10, sizes: 0...0), limit: "ulimit -f 8192")
        let outcome = try run.blockingWait()
        #expect(outcome.exitCode == 1)
        #expect(outcome.complaint == "mk_data: \(scratch.file("protostore.data")): fallocate: File too large\n")
        #expect(scratch.names == [])
    }

    @Test(.noHang) func aDirectoryThatCannotBeMadeIsOneLine() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.file("missing/new")
        let outcome = try Self.run(Self.arguments(path, keys: 5, sizes: 0...0))
        #expect(outcome.exitCode == 1)
        #expect(outcome.complaint == "mk_data: \(path): mkdir: No such file or directory\n")
    }
}
