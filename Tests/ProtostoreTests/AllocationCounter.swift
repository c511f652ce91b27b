import Foundation
import Glibc

/// Counts the heap allocations of a piece of code: by running the test that asks once
/// more, alone, in a process of its own in front of whose allocator
/// `Benchmarks/experiments/malloc_counter.c` stands.
enum AllocationCounter {
    struct CompileError: Error {}

    private static let variable = "ALLOCATION_COUNTS"
    private static let root = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }

    /// Least number of allocations of `body` in ten runs: others of the process, which go
    /// on meanwhile, are rarely in all of them.
    /// - Parameter test: the name of the test that calls this, for `--filter`.
    static func allocations(test: String, of body: () -> Void) throws -> Int {
        if let path = ProcessInfo.processInfo.environment[variable] {
            let count = count(body, path)
            try Data("\(count)".utf8).write(to: URL(fileURLWithPath: path + ".result"))
            return count
        }
        let scratch = try ScratchDirectory()
        let (library, counts) = (scratch.file("counter.so"), scratch.file("counts"))
        let source = root.appending(path: "Benchmarks/experiments/malloc_counter.c").path
        let compiled = try ["cc", "clang"].contains { compiler in
            try FaultShim.run("/usr/bin/env", [compiler, "-shared", "-fPIC", "-O1", "-o", library, source]) == 0
        }
        guard compiled else { throw CompileError() }
        try Data(count: 8).write(to: URL(fileURLWithPath: counts))
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        _ = try FaultShim.run(
            program, ["--testing-library", "swift-testing", "--filter", test],
            environment: ["LD_PRELOAD": library, variable: counts])
        let result = try String(contentsOfFile: counts + ".result", encoding: .utf8)
        return Int(result) ?? -1
    }

    private static func count(_ body: () -> Void, _ path: String) -> Int {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        func now() -> Int {
            var count = 0
            return pread(file, &count, 8, 0) == 8 ? count : -1
        }
        return (0..<10).map { _ in
            let before = now()
            body()
            return now() - before
        }.min() ?? -1
    }
}
