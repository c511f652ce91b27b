import Foundation
import Testing

@testable import Protostore

/// Each fault of the shim reaches the library's devices and files, in a process of
/// its own (``FaultProbe``), and changes what it is meant to change and nothing else.
@Suite(.noHang) struct FaultShimTests {
    private struct Outcome {
        let exitCode: Int32
        let lines: [String]
        let complaint: String
    }

    private func probe(_ faults: String) throws -> Outcome {
        let scratch = try ScratchDirectory()
        var environment = try FaultShim.environment(faults, pathEnd: "/data")
        environment["PROTOSTORE_FAULT_PROBE"] = scratch.path
        environment["SWIFT_BACKTRACE"] = "enable=no"
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let exitCode = try FaultShim.run(
            program, ["--testing-library", "swift-testing", "--filter", "FaultProbe/run"],
            environment: environment, output: scratch.file("output"))
        func text(_ name: String) -> String { String(decoding: (try? scratch.read(name)) ?? [], as: UTF8.self) }
        return Outcome(
            exitCode: exitCode, lines: text("lines").split(separator: "\n").map(String.init), complaint: text("output"))
    }

    /// What a probe says that nothing disturbs.
    fileprivate static let undisturbed = [
        "size 16",
        "write 8192 0 0 0", "write 8192 0 0 0", "write 8192 0 0 0", "write 8192 0 0 0",
        "flush 0 0 0 0",
        "read 0 8192 0 0", "read 0 8192 0 0",
        "writes 8192 8192 8192 8192",
        "1111000022220001",
    ]

    struct Fault: Sendable, CustomTestStringConvertible {
        let text: String
        /// What is said otherwise, by the number of the line above.
        var changed: [Int: String] = [:]
        /// What is said before that line.
        var inserted: [Int: String] = [:]
        /// The first line that is not said any more.
        var end: Int?
        var testDescription: String { text.isEmpty ? "none" : text }

        var expected: [String] {
            var lines: [String] = []
            for (number, line) in (FaultShimTests.undisturbed + [""]).enumerated() {
                if let text = inserted[number] { lines.append(text) }
                guard number < end ?? FaultShimTests.undisturbed.count else { break }
                lines.append(changed[number] ?? line)
            }
            return lines
        }
    }

    static let faults: [Fault] = [
        Fault(text: ""),
        // Completions: a write that fails has written nothing.
        Fault(text: "completion:write:2:EIO", changed: [2: "write -5 0 0 0", 9: "1011000022220001"]),
        Fault(text: "completion:write:2+:ENOSPC", changed: [
            2: "write -28 0 0 0", 3: "write -28 0 0 0", 4: "write -28 0 0 0", 8: "writes -28 -28 -28 -28",
            9: "1000000000000001",
        ]),
        Fault(text: "completion:flush:1:EIO", changed: [5: "flush -5 0 0 0"]),
        Fault(text: "completion:read:2:EIO", changed: [7: "read 0 -5 0 0"]),
        Fault(text: "completion:write:6:short", changed: [8: "writes 8192 4096 8192 8192"]),
        Fault(text: "completion:read:1:short", changed: [6: "read 0 4096 0 0"]),
        Fault(text: "completion:write:6:EDQUOT completion:read:1:EIO", changed: [
            6: "read 0 -5 0 0", 8: "writes 8192 -122 8192 8192", 9: "1111000020220001",
        ]),
        // The call itself: its first request is refused, the others go on.
        Fault(text: "io_submit:write:6:EINVAL", changed: [8: "writes 8192 -22 8192 8192", 9: "1111000020220001"]),
        Fault(text: "io_submit:flush:1:EINVAL", changed: [5: "flush -22 0 0 0"]),
        // Not now: it stays queued, also the rest of a batch, and nothing is lost.
        Fault(text: "io_submit:write:1:EAGAIN"), Fault(text: "io_submit:write:7:EAGAIN"),
        Fault(text: "io_submit:any:1:EINTR"), Fault(text: "io_submit:write:2-9:EAGAIN"), Fault(text: "io_submit:write:6:short"),
        Fault(text: "io_submit:write:8+:EAGAIN", changed: [8: "writes stuck", 9: "1111000022200001"]),
        // Completions are found by the next look.
        Fault(text: "io_getevents:any:1:EINTR"), Fault(text: "io_getevents:any:2:EIO"),
        Fault(text: "io_getevents:any:1+:short"),
        // A context that cannot be had.
        Fault(text: "io_setup:any:1:EAGAIN", inserted: [1: "io_setup 11"], end: 1),
        // Calls that wait. A short count is gone on with, a signal ignored but by a flush.
        Fault(text: "pwrite:any:1:EIO", changed: [0: "size 0"], inserted: [0: "grow: pwrite 5"]),
        Fault(text: "pwrite:any:1:short"), Fault(text: "pwrite:any:2:EINTR"),
        Fault(
            text: "pwrite:any:1+:EINTR",
            changed: [0: "size 0", 6: "read 0 0 0 0", 7: "read 0 0 0 0", 9: "111100002222----"],
            inserted: [0: "grow: pwrite 4", 1: "write: pwrite 4"]),
        Fault(text: "pwrite:any:2:ENOSPC", changed: [9: "1111000022220000"], inserted: [1: "write: pwrite 28"]),
        Fault(text: "pread:any:2:EIO", changed: [9: "1-11000022220001"]), Fault(text: "pread:any:1:short"),
        Fault(text: "fdatasync:any:1:EIO", inserted: [1: "synchronize: fdatasync 5"]),
        Fault(text: "fdatasync:any:1:EINTR", inserted: [1: "synchronize: fdatasync 4"]),
        Fault(text: "fallocate:any:1:ENOSPC", changed: [0: "size 0"], inserted: [0: "grow: fallocate 28"]),
        Fault(text: "fallocate:any:1:EINTR"), Fault(text: "fallocate:any:1:EOPNOTSUPP"),
        // The old size cannot be had back: the growth's own error is what is said.
        Fault(text: "pwrite:any:1:EIO ftruncate:any:1:EIO", inserted: [0: "grow: pwrite 5"]),
        Fault(text: "open:any:1:EROFS", inserted: [0: "open 30"], end: 0), Fault(text: "open:any:1:EINTR"),
        Fault(text: "flock:any:1:EAGAIN", inserted: [0: "locked"], end: 0),
        Fault(text: "flock:any:1:ENOLCK", inserted: [0: "flock 37"], end: 0),
        Fault(text: "fstat:any:1:EIO", changed: [0: "size 0"], inserted: [0: "grow: fstat 5"]),
        Fault(text: "mmap:any:1:ENOMEM", inserted: [1: "map: mmap 12"]),
    ]

    @Test(arguments: faults) func reachesTheProgram(_ fault: Fault) throws {
        let outcome = try probe(fault.text)
        #expect(outcome.lines == fault.expected, "\(outcome.complaint)")
        #expect(outcome.exitCode == 0)
        for one in fault.text.split(separator: " ") { #expect(outcome.complaint.contains("fault: \(one)\n")) }
    }

    /// The program itself, as it starts.
    @Test(arguments: [
        "eventfd:any:1:EMFILE", "epoll_create1:any:1:ENFILE", "open:any:1:EROFS", "flock:any:1:ENOLCK",
        "fstat:any:1:EIO", "io_setup:any:1:ENOSYS", "io_getevents:any:1:EINVAL",
    ])
    func aProgramThatCannotStartSaysWhy(_ fault: String) throws {
        let store = try RunTests.makeStore(valueBytes: 10...20)
        let program = try RunProgram(
            ["--path", store.path, "--port", "0", "--index-path", store.indexPath],
            environment: FaultShim.environment(fault, pathEnd: "/protostore.data"))
        #expect(try program.blockingWait() == 1)
        #expect(program.complaint.contains("fault: \(fault)\n"))
        let call = fault.prefix { $0 != ":" }
        #expect(program.complaintLines.last?.contains("\(call): ") == true, "\(program.complaint)")
    }

    @Test func itKillsAtAMoment() throws {
        let outcome = try probe("io_submit:flush:1:kill")
        #expect(outcome.exitCode == -SIGKILL && outcome.lines.isEmpty)
    }

    @Test(arguments: ["io_submit:write:3", "io_submit:write:3-2:EIO", "completion:write:0:EIO", "pwrite:any:1:EWHAT", "sync:any:1:EIO", "a:b:c:d"])
    func whatCannotBeReadIsRefused(_ faults: String) throws {
        let outcome = try probe(faults)
        #expect(outcome.exitCode == 126 && outcome.complaint.contains("cannot read"))
    }
}
