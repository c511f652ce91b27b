import Foundation
import Testing

@testable import Protostore

/// The program `run` as its users start it; killed with its last reference.
///
/// What it says goes to files, so that a test can look while it runs. The shell
/// in front of it sets limits and is replaced by it.
final class RunProgram {
    let scratch: ScratchDirectory
    let processIdentifier: pid_t
    private var exitCode: Int32?

    /// - Parameters:
    ///   - limit: a command for the shell that starts the program.
    ///   - environment: variables beside those of the tests, as ``FaultShim`` gives them.
    init(_ arguments: [String], limit: String = ":", environment: [String: String] = [:]) throws {
        scratch = try ScratchDirectory()
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "run").path
        let words = ["/bin/sh", "-c", "\(limit); exec \"$0\" \"$@\"", program] + arguments
        processIdentifier = try Self.spawn(
            words, environment, output: scratch.file("output"), complaint: scratch.file("complaint"))
    }

    deinit {
        guard exitCode == nil else { return }
        kill(processIdentifier, SIGKILL)
        _ = try? blockingWait()
    }

    private static func spawn(
        _ words: [String], _ more: [String: String], output: String, complaint: String
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, complaint, O_WRONLY | O_CREAT, 0o600)
        // Threads of a test block signals, and children inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignals = sigset_t()
        sigemptyset(&noSignals)
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var identifier: pid_t = 0
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        // Crashes are told by their exit code; a backtrace would take seconds.
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] = "enable=no"
        environment.merge(more) { $1 }
        var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for variable in variables { free(variable) } }
        let code = posix_spawn(&identifier, words[0], &actions, &attributes, &arguments, &variables)
        guard code == 0 else { throw SystemError("posix_spawn", code: code) }
        return identifier
    }

    // MARK: What it says

    var output: String { text("output") }
    /// Standard error: the log and complaints.
    var complaint: String { text("complaint") }
    var complaintLines: [Substring] { complaint.split(separator: "\n") }

    private func text(_ name: String) -> String {
        String(decoding: (try? scratch.read(name)) ?? [], as: UTF8.self)
    }

    /// Waits until the log says `text`, `count` times.
    func waits(for text: String, count: Int = 1) -> Bool {
        for _ in 0..<30_000 {
            if complaint.components(separatedBy: text).count > count { return true }
            if hasExited { return false }
            Clock.blockingSleep(nanoseconds: 10_000_000)
        }
        return false
    }

    /// Waits until it listens. - Returns: on which port.
    func port() throws -> UInt16 {
        guard waits(for: "listening on ") else { throw StartError(complaint: complaint) }
        let match = try #require(complaint.firstMatch(of: /listening on 127\.0\.0\.1:([0-9]+)\n/))
        return try #require(UInt16(match.1))
    }

    struct StartError: Error {
        let complaint: String
    }

    // MARK: Its end

    func signal(_ number: Int32) { kill(processIdentifier, number) }

    private var hasExited: Bool {
        var status: Int32 = 0
        guard exitCode == nil, waitpid(processIdentifier, &status, WNOHANG) == processIdentifier else {
            return exitCode != nil
        }
        exitCode = status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
        return true
    }

    /// Waits for its end, for five minutes.
    /// - Returns: the exit code, or minus the signal that ended it.
    func blockingWait() throws -> Int32 {
        for _ in 0..<60_000 {
            if hasExited { return try #require(exitCode) }
            Clock.blockingSleep(nanoseconds: 5_000_000)
        }
        kill(processIdentifier, SIGKILL)
        throw StartError(complaint: "did not end: \(complaint)")
    }
}
