import Foundation

@testable import Protostore

/// `Tests/FaultShim/fault_shim.c`, compiled once, and what a program's environment
/// needs for it.
enum FaultShim {
    private struct Library {
        let directory: ScratchDirectory
        let path: String
    }

    struct CompileError: Error {
        let text: String
    }

    /// Compiled with the system's C compiler, or the one that comes with Swift.
    private static let library: Result<Library, any Error> = Result {
        let tests = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        let source = tests.appending(path: "FaultShim/fault_shim.c").path
        let directory = try ScratchDirectory()
        let library = Library(directory: directory, path: directory.file("fault_shim.so"))
        let command = """
            for compiler in cc clang; do
                command -v $compiler >/dev/null && exec $compiler -shared -fPIC -O1 -o "$0" "$1" 2>"$2"
            done
            echo "no C compiler" >"$2"
            exit 1
            """
        let exitCode = try run("/bin/sh", ["-c", command, library.path, source, directory.file("complaint")])
        guard exitCode == 0 else {
            throw CompileError(text: String(decoding: try directory.read("complaint"), as: UTF8.self))
        }
        return library
    }

    /// What to add to a program's environment.
    /// - Parameters:
    ///   - faults: as `fault_shim.c` describes them.
    ///   - pathEnd: limits them to files whose path ends so.
    static func environment(_ faults: String, pathEnd: String? = nil) throws -> [String: String] {
        var variables = ["LD_PRELOAD": try library.get().path, "PROTOSTORE_FAULT": faults]
        variables["PROTOSTORE_FAULT_PATH"] = pathEnd
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
