import Glibc
import Testing

@testable import Protostore

/// Each error number that a call's manual page or the kernel's source names, and
/// what the store makes of it.
@Suite struct StorageFailureTests {
    typealias Expectation = (call: StorageCall, codes: [CInt], kind: StorageErrorClass)

    static let expectations: [Expectation] = [
        (.ioSubmit, [EAGAIN, EINTR], .later),
        (.ioSubmit, [EINVAL, EBADF, EFAULT], .misuse),
        (.ioSubmit, [ENOSYS, EOPNOTSUPP, EPERM], .unsupported),
        (.ioSubmit, [EOVERFLOW, EFBIG], .noSpace),
        (.ioSubmit, [ENOMEM], .exhausted),
        (.ioGetevents, [EINTR], .retry),
        (.ioGetevents, [EINVAL, EFAULT], .misuse),
        (.ioGetevents, [ENOSYS, EPERM], .unsupported),
        (.ioSetup, [EAGAIN, ENOMEM], .exhausted),
        (.ioSetup, [EINVAL, EFAULT], .misuse),
        (.ioSetup, [ENOSYS, EPERM], .unsupported),
        (.pread, [EINTR], .retry),
        (.pread, [EIO, ENODATA, EREMOTEIO, EILSEQ, EBADE, EBADMSG], .failedIO),
        (.pread, [ETIMEDOUT, ENOLINK, ENXIO, ENODEV, ENOMEDIUM, ESTALE, EUCLEAN], .failedIO),
        (.pread, [ENOMEM], .exhausted),
        (.pread, [EINVAL, EBADF, EFAULT, ESPIPE], .misuse),
        (.pread, [EOVERFLOW], .noSpace),
        (.pread, [EISDIR], .refused),
        (.pwrite, [EINTR], .retry),
        (.pwrite, [EAGAIN], .later),
        (.pwrite, [EIO, EREMOTEIO, ENODEV, EUCLEAN], .failedIO),
        (.pwrite, [ENOSPC, EDQUOT, EFBIG], .noSpace),
        (.pwrite, [ENOMEM], .exhausted),
        (.pwrite, [EROFS, EPERM, ETXTBSY], .refused),
        (.pwrite, [EINVAL, EBADF, EFAULT, ESPIPE], .misuse),
        (.pwrite, [EOPNOTSUPP], .unsupported),
        // Never again, whatever it was.
        (.fdatasync, [EIO, ENOSPC, EDQUOT, EINTR, EAGAIN, ENOMEM], .failedIO),
        (.fdatasync, [EINVAL, EROFS, ENOSYS, EOPNOTSUPP], .unsupported),
        (.fdatasync, [EBADF], .misuse),
        (.fsync, [EIO, ENOSPC, EDQUOT, EINTR], .failedIO),
        (.fsync, [EINVAL, EROFS], .unsupported),
        (.fallocate, [ENOSPC, EDQUOT, EFBIG], .noSpace),
        (.fallocate, [EIO], .failedIO),
        (.fallocate, [EINTR], .retry),
        (.fallocate, [EOPNOTSUPP, ENOSYS, ENODEV, ESPIPE, EINVAL], .unsupported),
        (.fallocate, [EPERM, ETXTBSY, EROFS], .refused),
        (.fallocate, [EBADF], .misuse),
        (.fallocate, [ENOMEM], .exhausted),
        (.ftruncate, [EINTR], .retry),
        (.ftruncate, [EFBIG, ENOSPC, EDQUOT], .noSpace),
        (.ftruncate, [EIO], .failedIO),
        (.ftruncate, [EACCES, EPERM, EROFS, ETXTBSY, EISDIR], .refused),
        (.ftruncate, [EINVAL], .unsupported),
        (.ftruncate, [EBADF], .misuse),
        (.open, [EINTR], .retry),
        (.open, [ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EEXIST], .refused),
        (.open, [EACCES, EPERM, EROFS, ETXTBSY, EBUSY, ENXIO, ENODEV], .refused),
        (.open, [EMFILE, ENFILE, ENOMEM], .exhausted),
        (.open, [ENOSPC, EDQUOT, EFBIG, EOVERFLOW], .noSpace),
        (.open, [EINVAL, EOPNOTSUPP], .unsupported),
        (.open, [EIO, ESTALE], .failedIO),
        (.open, [EFAULT, EBADF], .misuse),
        (.fstat, [EIO], .failedIO),
        (.fstat, [ENOMEM], .exhausted),
        (.fstat, [EOVERFLOW], .noSpace),
        (.fstat, [EBADF, EFAULT], .misuse),
        (.flock, [EAGAIN], .refused),
        (.flock, [EINTR], .retry),
        (.flock, [ENOLCK], .exhausted),
        (.flock, [EBADF, EINVAL], .misuse),
        (.flock, [EOPNOTSUPP], .unsupported),
        (.mmap, [ENOMEM, EAGAIN, ENFILE], .exhausted),
        (.mmap, [ENODEV, EACCES, EPERM], .unsupported),
        (.mmap, [EINVAL, EBADF], .misuse),
        (.mmap, [EOVERFLOW], .noSpace),
        (.mmap, [ETXTBSY], .refused),
        (.mkdir, [ENOSPC, EDQUOT], .noSpace),
        (.mkdir, [EACCES, EPERM, EROFS, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EMLINK], .refused),
        (.mkdir, [EIO], .failedIO),
        (.rename, [ENOSPC, EDQUOT], .noSpace),
        (.rename, [EACCES, EPERM, EROFS, EBUSY, EISDIR, ENOTDIR, ENOENT, ENAMETOOLONG], .refused),
        (.rename, [EIO, ESTALE], .failedIO),
        (.rename, [ENOMEM], .exhausted),
        (.unlink, [EACCES, EPERM, EROFS, EBUSY, EISDIR, ENOTDIR], .refused),
        (.unlink, [EIO], .failedIO),
        (.unlink, [ENOMEM], .exhausted),
        (.statvfs, [EACCES, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG], .refused),
        (.statvfs, [EIO], .failedIO),
        (.statvfs, [ENOSYS], .unsupported),
        (.statvfs, [EOVERFLOW], .noSpace),
        (.signalfd, [EMFILE, ENFILE, ENOMEM], .exhausted),
        (.signalfd, [ENODEV], .failedIO),
        (.signalfd, [EBADF, EINVAL], .misuse),
        (.eventfd, [EMFILE, ENFILE, ENOMEM], .exhausted),
        (.eventfd, [ENODEV], .failedIO),
        (.eventfd, [EINVAL], .misuse),
        (.epollCreate, [EMFILE, ENFILE, ENOMEM], .exhausted),
        (.epollCreate, [EINVAL], .misuse),
        (.epollControl, [ENOSPC, ENOMEM], .exhausted),
        (.epollControl, [EBADF, EEXIST, EINVAL, ELOOP, ENOENT, EPERM], .misuse),
        (.epollWait, [EINTR], .retry),
        (.epollWait, [EBADF, EFAULT, EINVAL], .misuse),
    ]

    @Test(arguments: expectations) func eachErrorNumberHasItsClassAndSentence(_ expected: Expectation) {
        for code in expected.codes {
            let failure = StorageFailure(expected.call, code: code)
            #expect(failure.kind == expected.kind, "\(expected.call.rawValue) \(String(cString: strerror(code)))")
            #expect(failure.sentence.hasSuffix(".") && !failure.sentence.contains("not known"))
        }
    }

    @Test func allCallsAndClassesAreCovered() {
        #expect(Set(Self.expectations.map(\.call)) == Set(StorageCall.allCases))
        #expect(Set(Self.expectations.map(\.kind)) == Set(StorageErrorClass.allCases))
    }

    @Test func anUnknownNumberIsAFailedTransfer() {
        let failure = StorageFailure(.pwrite, code: 9999)
        #expect(failure.kind == .failedIO && failure.sentence.contains("pwrite"))
    }

    @Test func theErrorsOfRealCallsAreFound() throws {
        let scratch = try ScratchDirectory()
        let absent = #expect(throws: SystemError.self) { _ = try FileDescriptor.open(scratch.file("absent")) }
        #expect(absent?.storageFailure?.kind == .refused)
        let file = try FileDescriptor.open(scratch.file("data"), [.write, .create])
        let large = #expect(throws: SystemError.self) { try file.allocate(offset: 0, byteCount: 1 << 60) }
        #expect(large?.storageFailure?.kind == .noSpace)
        let negative = #expect(throws: SystemError.self) { try file.truncate(byteCount: -1) }
        #expect(negative?.storageFailure?.kind == .unsupported)
        let reader = try FileDescriptor.open(scratch.file("data"))
        let bytes: [UInt8] = [1]
        let readOnly = #expect(throws: SystemError.self) { try bytes.withUnsafeBytes { try reader.write($0, at: 0) } }
        #expect(readOnly?.storageFailure?.kind == .misuse)
        #expect(SystemError("accept4", code: EMFILE).storageFailure == nil)
    }
}
