import Foundation

@testable import Protostore

/// `Tests/FaultShim/fault_shim.c`, compiled once, and what a program's environment
/// needs for it.
enum FaultShim {
    struct CompileError: Error {
        let text: String
    }

    /// Where the library is: beside the tests' own program, so that it goes with the
    /// build. Compiled with the system's C compiler, or the one that comes with Swift.
    private static let library: Result<String, any Error> = Result {
        let tests = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        let source = tests.appending(path: "FaultShim/fault_shim.c").path
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(fileURLWithPath: program).deletingLastPathComponent().appending(path: "fault_shim.so").path
        let scratch = try ScratchDirectory()
        // Others may be loading the last one: a new file takes its name.
        let command = """
            for compiler in cc clang; do
                command -v $compiler >/dev/null || continue
                $compiler -shared -fPIC -O1 -o "$0.$$" "$1" 2>"$2" && exec mv "$0.$$" "$0"
                exit 1
            done
            echo "no C compiler" >"$2"
            exit 1
            """
        let exitCode = try run("/bin/sh", ["-c", command, path, source, scratch.file("complaint")])
        guard exitCode == 0 else {
            throw CompileError(text: String(decoding: try scratch.read("complaint"), as: UTF8.self))
        }
        return path
    }

    /// What to add to a program's environment.
    /// - Parameters:
    ///   - faults: as `fault_shim.c` describes them.
    ///   - pathEnd: limits them to files whose path ends so.
    ///   - end: a path: when there is a file, nothing fails any more.
    static func environment(_ faults: String, pathEnd: String? = nil, end: String? = nil) throws -> [String: String] {
        var variables = ["LD_PRELOAD": try library.get(), "PROTOSTORE_FAULT": faults]
        variables["PROTOSTORE_FAULT_PATH"] = pathEnd
        variables["PROTOSTORE_FAULT_UNTIL"] = end
        return variables
    }

    /// Runs a program to its end.
    /// - Parameters:
    ///   - output: a path for what it says, on both channels.
    /// - Returns: its exit code, or minus the signal that ended it.
    static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], output: String = "/dev/null"
    ) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        let channel = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardOutput = channel
        process.standardError = channel
        try process.run()
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }
}
