import Foundation
import Testing

@testable import Protostore

/// System calls that fail while the program opens or closes a store.
@Suite(.noHang) struct StartFaultTests {
    /// A store as a kill leaves it.
    private func killedStore() throws -> StoreUnderTest {
        let test = try StoreUnderTest(clients: 2)
        try test.fill(try test.start(), end: SIGKILL)
        return test
    }

    private func start(_ test: StoreUnderTest, _ fault: String, pathEnd: String = "/protostore.data") throws -> RunProgram {
        try test.start(environment: FaultShim.environment(fault, pathEnd: pathEnd))
    }

    /// One sentence, a code that is not zero, and a store that the next start opens.
    @Test(arguments: [
        ("open:any:1+:EROFS", "open: Read-only file system. The file system is read-only"),
        ("open:any:1+:EMFILE", "open: Too many open files. The process has too many open files"),
        ("open:any:1+:EINVAL", "knows no direct I/O"),
        ("flock:any:1+:ENOLCK", "flock: No locks available. The kernel is out of memory for file locks."),
        ("flock:any:1+:EAGAIN", "is open in another process"),
        ("fstat:any:1+:EIO", "fstat: Input/output error. The disk failed"),
        ("pread:any:1+:EIO", "pread: Input/output error. The disk failed"),
        ("pread:any:1+:ENOMEM", "The kernel is out of memory"),
        ("pwrite:any:1+:EIO", "pwrite: Input/output error. The disk failed"),
        ("pwrite:any:1:ENOSPC", "pwrite: No space left on device. The file system is full"),
        ("pwrite:any:3:EROFS", "pwrite: Read-only file system."),
        ("fdatasync:any:1:EIO", "fdatasync: Input/output error. The disk did not confirm"),
        ("fdatasync:any:2:EIO", "fdatasync: Input/output error. The disk did not confirm"),
        ("fdatasync:any:3:EINTR", "fdatasync: Interrupted system call. The disk did not confirm"),
        ("completion:read:1+:EIO pread:any:4+:EIO", "protostore.data"),
        ("io_setup:any:1:ENOSYS", "io_setup: Function not implemented. This kernel or file system lacks the call."),
        ("io_setup:any:1:EPERM", "forbids Linux AIO"),
        ("io_setup:any:2:EAGAIN", "fs.aio-max-nr"),
        ("io_getevents:any:1:EINVAL", "io_getevents: Invalid argument."),
        ("eventfd:any:1:EMFILE", "eventfd: Too many open files. The process has too many open files"),
        ("epoll_create1:any:1:ENFILE", "epoll_create1: Too many open files in system. The machine has too many"),
    ])
    func aFailureEndsTheStartWithASentence(_ fault: String, sentence: String) throws {
        let test = try killedStore()
        let program = try start(test, fault)
        try test.finish(program, exitCode: 1)
        let last = program.complaintLines.last ?? ""
        #expect(last.hasPrefix("Error: ") && last.contains(sentence), "\(program.complaint)")
        try test.check()
        try test.verifyToTheEnd()
    }

    /// Errors of reads may pass: nothing is called damaged on the word of one, nor because
    /// of many in one place.
    @Test(arguments: [
        "completion:read:1:EIO", "completion:read:2:EIO", "completion:read:3:EIO", "completion:read:6:EIO",
        "completion:read:1-9:EIO", "completion:read:1+:short", "pread:any:1:EIO", "pread:any:2:EIO", "pread:any:3:EIO",
        "pread:any:4:EIO", "pread:any:5:EIO", "pread:any:3:short", "io_submit:read:1:EINVAL", "io_submit:read:2:EAGAIN",
        "io_getevents:any:1:EINTR",
    ])
    func aFailedReadIsNoDamage(_ fault: String) throws {
        let test = try killedStore()
        let program = try start(test, fault)
        try test.writers.verify(port: program.port(), program.complaint)
        #expect(program.complaint.contains("fault: \(fault)\n"))
        #expect(!program.complaint.contains("damaged"), "\(program.complaint)")
        try test.load(program, answers: 50, end: SIGKILL)
        try test.check()
        try test.verifyToTheEnd()
    }

    @Test(arguments: ["pwrite:any:1:ENOSPC", "fdatasync:any:1:EIO", "open:any:1:EROFS"])
    func anIndexThatCannotBeSavedIsRebuilt(_ fault: String) throws {
        let test = try killedStore()
        let program = try start(test, fault, pathEnd: "/\(IndexFile.temporaryName)")
        _ = try program.port()
        program.signal(SIGTERM)
        try test.finish(program, exitCode: 0)
        #expect(program.complaint.contains("the index was not saved and will be rebuilt at the next start"))
        try test.verifyToTheEnd()
    }
}
