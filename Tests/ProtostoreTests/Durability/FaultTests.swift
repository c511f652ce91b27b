import Foundation
import Testing

@testable import Protostore

/// System calls of the serving program that fail, once and from then on: the program
/// answers nothing that is not true, says what is wrong, and what it acknowledged is
/// there at the next start.
@Suite(.noHang) struct FaultTests {
    /// A store with something in it, closed in order.
    private func closedStore() throws -> StoreUnderTest {
        let test = try StoreUnderTest(clients: 3)
        try test.fill(try test.start(), end: SIGTERM)
        return test
    }

    private func start(_ test: StoreUnderTest, _ fault: String, _ arguments: [String] = []) throws -> RunProgram {
        try test.start(
            ["--stats-interval", "0.2"] + arguments,
            environment: FaultShim.environment(
                fault, pathEnd: "/protostore.data", end: test.store.file(Self.endName)))
    }

    /// When a file of this name is in the directory, faults are over.
    private static let endName = "repaired"

    private func expectStruck(_ fault: String, _ program: RunProgram) {
        for one in fault.split(separator: " ") { #expect(program.complaint.contains("fault: \(one)\n")) }
    }

    // MARK: What passes

    /// Nobody notices: what did not happen, or not all of it, is done again.
    @Test(arguments: [
        "io_submit:any:20:EAGAIN", "io_submit:write:10-40:EAGAIN", "io_submit:read:3-9:EAGAIN",
        "io_submit:write:10:EINTR", "io_submit:any:9:short", "io_submit:any:1+:short",
        "completion:read:5:short", "completion:read:5+:short", "completion:write:12:short", "completion:write:1+:short",
        "io_getevents:any:3:EINTR", "io_getevents:any:20-50:EINTR", "io_getevents:any:1+:short",
        "pwrite:any:9:short", "pwrite:any:9:EINTR", "pwrite:any:1+:short", "pread:any:1+:short",
        "fallocate:any:6:EINTR", "fallocate:any:1+:EOPNOTSUPP",
    ], ["always", "everysec"])
    func nobodyNotices(_ fault: String, sync: String) throws {
        // Flushes differ, and little else.
        guard sync == "always" || fault.hasPrefix("completion:write") else { return }
        let test = try closedStore()
        let program = try start(test, fault, ["--sync", sync])
        try test.load(program, answers: 900, end: SIGTERM)
        expectStruck(fault, program)
        #expect(!program.complaint.contains(" error "), "\(program.complaint)")
        try test.check()
        try test.verifyToTheEnd()
    }

    /// One failed look for completions is reported, and the next one finds them.
    @Test func aFailedLookForCompletionsIsReportedOnce() throws {
        let test = try closedStore()
        let fault = "io_getevents:any:20-25:EIO"
        let program = try start(test, fault)
        try test.load(program, answers: 400, end: SIGTERM)
        expectStruck(fault, program)
        #expect(program.complaint.components(separatedBy: "completions could not be collected").count == 2)
        try test.verifyToTheEnd()
    }

    @Test func aServerThatNeverSeesCompletionsEnds() throws {
        let test = try closedStore()
        let program = try start(test, "io_getevents:any:50+:ENOSYS")
        try test.writers.start(port: program.port())
        try test.finish(program, exitCode: 1)
        #expect(program.complaintLines.last?.contains("could not go on: io_getevents: Function not implemented") == true)
        try test.check()
        try test.verifyToTheEnd()
    }

    // MARK: Writes that fail

    struct WriteFault: Sendable, CustomTestStringConvertible {
        let text: String
        let complaint: String
        var sync = "always"
        var testDescription: String { "\(text) --sync \(sync)" }
    }

    static let writeFaults = [
        WriteFault(text: "completion:write:15:EIO", complaint: "write failed at segment"),
        WriteFault(text: "completion:write:15+:EIO", complaint: "Input/output error. The disk failed"),
        WriteFault(text: "completion:write:1:EIO", complaint: "write failed at segment"),
        WriteFault(text: "completion:write:20:ENOSPC", complaint: "The file system is full"),
        WriteFault(text: "completion:write:20:EDQUOT", complaint: "The disk quota is used up"),
        WriteFault(text: "completion:write:20:EROFS", complaint: "The file system is read-only"),
        WriteFault(text: "completion:write:9:EIO", complaint: "write failed at segment", sync: "never"),
        WriteFault(text: "io_submit:write:15:EINVAL", complaint: "must be multiples of the disk's block size"),
        WriteFault(text: "io_submit:write:15:EOPNOTSUPP", complaint: "This kernel or file system lacks the call"),
        WriteFault(text: "completion:flush:1:EIO", complaint: "flush failed at segment", sync: "everysec"),
        WriteFault(text: "completion:flush:2:ENOSPC", complaint: "did not confirm", sync: "never"),
        WriteFault(text: "io_submit:flush:1:EINVAL", complaint: "flush failed at segment", sync: "everysec"),
        // Of the thread that makes segments; the log's writes may have been in the same cache.
        WriteFault(text: "fdatasync:any:20:EIO", complaint: "flush failed while a segment was made"),
        WriteFault(text: "fdatasync:any:20:EINTR", complaint: "flush failed while a segment was made"),
        WriteFault(text: "fdatasync:any:5:EIO", complaint: "flush failed while a segment was made"),
    ]

    /// Nothing is acknowledged any more, nothing tried again, and reads go on.
    @Test(arguments: writeFaults) func afterAFailedWriteReadsGoOn(_ fault: WriteFault) throws {
        let test = try closedStore()
        let program = try start(test, fault.text, ["--sync", fault.sync])
        try test.writers.start(port: program.port(), .refusedOrMixed)
        #expect(program.waits(for: "No write is acknowledged any more"))
        test.writers.blockingFinish()
        expectStruck(fault.text, program)
        #expect(program.complaint.contains(fault.complaint), "\(program.complaint)")
        try expectReadsOnly(program, test)
        program.signal(SIGTERM)
        try test.finish(program, exitCode: 0)
        #expect(program.complaint.components(separatedBy: "No write is acknowledged any more").count == 2)
        #expect(program.complaint.contains("was not closed in order"))
        try test.check()
        try test.verifyToTheEnd()
    }

    private func expectReadsOnly(_ program: RunProgram, _ test: StoreUnderTest) throws {
        let port = try program.port()
        for writer in test.writers.all {
            #expect(!writer.run(port: port, count: 1, .writesOnly), "a write is acknowledged after a failed one")
            #expect(writer.run(port: port, count: 100, .readsOnly))
        }
        test.writers.expectNoProblems(program.complaint)
        #expect(program.complaint.contains("its write was refused: an earlier write or flush failed"))
        let reports = program.complaint.components(separatedBy: "puts refused ").count
        #expect(program.waits(for: "puts refused ", count: reports))
        #expect(program.complaint.contains(/puts refused [1-9]/))
    }

    // MARK: Growth that fails

    /// Writes are refused while there is no segment; reads go on, and writes when it ends.
    @Test(arguments: [
        ("fallocate:any:6+:ENOSPC", "The file system is full"), ("fallocate:any:6+:EIO", "The disk failed"),
        ("fallocate:any:6+:EDQUOT", "The disk quota is used up"), ("fallocate:any:6+:EFBIG", "larger than the file system"),
        ("fallocate:any:6+:ENOMEM", "The kernel is out of memory"), ("fallocate:any:6+:EROFS", "is read-only"),
    ])
    func aDatafileThatCannotGrowRefusesWritesMeanwhile(_ fault: String, sentence: String) throws {
        let test = try closedStore()
        let program = try start(test, fault)
        let port = try program.port()
        try test.writers.start(port: port, .refusedOrMixed)
        #expect(program.waits(for: "its write was refused: no segment is free"))
        test.writers.stop()
        for writer in test.writers.all { #expect(writer.run(port: port, count: 100, .readsOnly)) }
        try test.store.write([], to: Self.endName)
        // What compaction frees may have ended it before, for a while.
        let count = program.complaint.components(separatedBy: "no segment could be made: ").count - 1
        #expect(program.waits(for: "segments can be had again", count: count))
        #expect(program.complaint.contains(sentence), "\(program.complaint)")
        for writer in test.writers.all { #expect(writer.run(port: port, count: 50, .writesOnly)) }
        program.signal(SIGKILL)
        try test.finish(program, exitCode: -SIGKILL)
        try test.check()
        try test.verifyToTheEnd()
    }

    // MARK: Reads that fail

    @Test(arguments: ["completion:read:40:EIO", "io_submit:read:40:EINVAL", "completion:read:40:ETIMEDOUT"])
    func aFailedReadClosesItsConnectionOnly(_ fault: String) throws {
        let test = try closedStore()
        let program = try start(test, fault)
        let port = try program.port()
        let answered = test.writers.all.map { $0.run(port: port, count: 100, .readsOnly) }
        #expect(answered.count { !$0 } == 1, "\(answered) \(program.complaint)")
        expectStruck(fault, program)
        #expect(program.complaint.components(separatedBy: "read failed at segment").count == 2)
        #expect(program.complaint.contains("the record it asked for cannot be read"))
        #expect(program.waits(for: "failed 1 reads 0 writes"))
        try test.load(program, answers: 200, end: SIGTERM)
        try test.verifyToTheEnd()
    }

    /// A write to a key whose record cannot be read is stored all the same, and wins.
    @Test func writesGoOnWhereNothingCanBeRead() throws {
        let test = try closedStore()
        let program = try start(test, "completion:read:1+:EIO")
        let port = try program.port()
        for writer in test.writers.all { #expect(writer.run(port: port, count: 200, .writesOnly)) }
        program.signal(SIGKILL)
        try test.finish(program, exitCode: -SIGKILL)
        try test.check()
        try test.verifyToTheEnd()
    }
}
