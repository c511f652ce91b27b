import Glibc

/// The calls that a store makes to its files and to the kernel's AIO, as their
/// manual pages name them. The completions of a read, a write and a flush carry the
/// error numbers of the call that would have waited for them.
package enum StorageCall: String, CaseIterable, Sendable {
    case open, fstat, flock, pread, pwrite, fdatasync, fsync, ftruncate, fallocate, mmap
    case mkdir, rename, unlink, statvfs
    case eventfd, signalfd
    case epollCreate = "epoll_create1"
    case epollControl = "epoll_ctl"
    case epollWait = "epoll_wait"
    case ioSetup = "io_setup"
    case ioSubmit = "io_submit"
    case ioGetevents = "io_getevents"
}

/// What to do about an error number of a storage call.
package enum StorageErrorClass: CaseIterable, Sendable {
    /// Interrupted by a signal: call again at once.
    case retry
    /// Not now: try again when something has completed, or a moment later.
    case later
    /// The kernel or the process is out of something other than disk space.
    case exhausted
    /// The file cannot grow: refuse writes, serve reads.
    case noSpace
    /// The disk or the file system failed. After a write or a flush, what it covered
    /// is uncertain for good: nothing is retried, and writes end.
    case failedIO
    /// Path, permissions or another process stand in the way: the operator decides.
    case refused
    /// Kernel, container or file system cannot do it at all.
    case unsupported
    /// The request was wrong in itself: a bug of ours, or a disk that is not the
    /// one the file was made for.
    case misuse
}

/// An error number of a storage call: its class, and what it tells an operator.
package struct StorageFailure: Sendable {
    package let kind: StorageErrorClass
    /// One sentence or two for the log.
    package let sentence: String

    /// Looks the number up; linear in the table, so for failures only. A number that
    /// no manual names counts as a failed transfer: the careful reading.
    package init(_ call: StorageCall, code: CInt) {
        let row = Self.table.first { $0.codes.contains(code) && $0.calls?.contains(call) ?? true }
        kind = row?.kind ?? .failedIO
        sentence = row?.sentence ?? "\(String(cString: strerror(code))), which \(call.rawValue) is not known to give."
    }

    private struct Row: Sendable {
        /// nil for all calls.
        let calls: [StorageCall]?
        let codes: [CInt]
        let kind: StorageErrorClass
        let sentence: String

        init(_ calls: [StorageCall]?, _ codes: [CInt], _ kind: StorageErrorClass, _ sentence: String) {
            self.calls = calls
            self.codes = codes
            self.kind = kind
            self.sentence = sentence
        }
    }

    private static let aio: [StorageCall] = [.ioSetup, .ioSubmit, .ioGetevents]
    private static let epoll: [StorageCall] = [.epollCreate, .epollControl, .epollWait]
    private static let flushes: [StorageCall] = [.fdatasync, .fsync]

    /// The first row that names both the call and the number holds: special cases
    /// stand above what is true everywhere.
    private static let table: [Row] = specialRows + generalRows

    private static let specialRows: [Row] = [
        // A flush is never repeated, whatever it says: a second one succeeds without the data.
        Row(flushes, [EINTR, EAGAIN, ENOMEM, ENOSPC, EDQUOT, EIO], .failedIO,
            "The disk did not confirm that the data is on stable storage. Writes end here; see the kernel's "
                + "log (dmesg)."),
        Row(flushes, [EINVAL, EROFS], .unsupported, "The file or its file system cannot be flushed."),
        Row([.ioSubmit], [EAGAIN, EINTR], .later, "The kernel has no room for more requests now."),
        Row([.ioSubmit, .pread, .pwrite], [EINVAL], .misuse,
            "Offset, length and memory of direct I/O must be multiples of the disk's block size. The file may "
                + "have moved to a disk with larger blocks."),
        Row([.ioSetup], [EAGAIN], .exhausted,
            "The machine's AIO requests are all taken: raise fs.aio-max-nr (sysctl), or lower --max-io-depth."),
        Row([.ioSetup], [EINVAL], .misuse, "No AIO context can have so many requests: lower --max-io-depth."),
        Row(aio, [EPERM, EACCES], .unsupported,
            "A filter of system calls (seccomp, often a container's) forbids Linux AIO."),
        Row([.flock], [EAGAIN], .refused, "Another process has the file open."),
        Row([.mmap], [EAGAIN], .exhausted, "More memory would be locked than ulimit -l allows."),
        Row([.mmap], [ENODEV, EACCES, EPERM], .unsupported,
            "The file system does not let the file be mapped for reading and writing."),
        Row([.open], [EINVAL], .unsupported, "The file system knows no direct I/O (O_DIRECT): use ext4 or XFS."),
        Row([.open], [ENXIO, ENODEV], .refused, "The device of this name is not there."),
        Row([.open], [EBUSY], .refused, "The device is in use, perhaps mounted."),
        Row([.fallocate, .ftruncate], [ENODEV, ESPIPE, EINVAL], .unsupported,
            "Only a regular file can change its size."),
        Row([.epollControl], [ENOSPC], .exhausted,
            "The user's epoll watches are all taken: raise fs.epoll.max_user_watches (sysctl)."),
        Row(epoll, [EEXIST, ENOENT, ELOOP, EPERM], .misuse, "The descriptor cannot be watched: a bug in this program."),
    ]

    private static let generalRows: [Row] = [
        Row(nil, [EINTR], .retry, "A signal interrupted the call."),
        Row(nil, [EAGAIN], .later, "Not now."),
        Row(nil, [ENOMEM, ENOBUFS], .exhausted,
            "The kernel is out of memory, or the control group's limit is reached."),
        Row(nil, [ENOLCK], .exhausted, "The kernel is out of memory for file locks."),
        Row(nil, [EMFILE], .exhausted, "The process has too many open files: raise ulimit -n."),
        Row(nil, [ENFILE], .exhausted, "The machine has too many open files: raise fs.file-max (sysctl)."),
        Row(nil, [ENOSPC], .noSpace, "The file system is full: free space or enlarge it. Reads go on."),
        Row(nil, [EDQUOT], .noSpace, "The disk quota is used up: free space or raise it. Reads go on."),
        Row(nil, [EFBIG, EOVERFLOW], .noSpace,
            "The file would be larger than the file system or ulimit -f allows. Reads go on."),
        // ENODATA and the rest are what block devices' own errors turn into (block/blk-core.c).
        Row(nil, [EIO, ENODATA, EREMOTEIO, EILSEQ, EBADE, EBADMSG], .failedIO,
            "The disk failed; see the kernel's log (dmesg) and the disk's own (smartctl)."),
        Row(nil, [ETIMEDOUT, ENOLINK, ENXIO, ENODEV, ENOMEDIUM, ESTALE], .failedIO,
            "The disk is gone or does not answer; see the kernel's log (dmesg)."),
        Row(nil, [EUCLEAN], .failedIO, "The file system is damaged: unmount and check it (fsck)."),
        Row([.mkdir], [EMLINK], .refused, "The directory above has as many directories as its file system allows."),
        Row(nil, [EROFS], .refused,
            "The file system is read-only; after an error the kernel makes it so: see its log (dmesg)."),
        Row(nil, [EACCES, EPERM], .refused,
            "The user may not do this: check owner, mode and attributes (lsattr) of the file and its directories."),
        Row(nil, [ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EEXIST], .refused,
            "The path does not lead to a file of the kind that is wanted."),
        Row(nil, [ETXTBSY, EBUSY], .refused, "The file is in use as a program or swap space."),
        Row(nil, [ENOSYS, EOPNOTSUPP], .unsupported, "This kernel or file system lacks the call."),
        Row(nil, [EINVAL, EBADF, EFAULT, ESPIPE], .misuse, "The request was wrong in itself: a bug in this program."),
    ]
}

extension SystemError {
    /// What it means where it came from a call on the store's files; nil from others.
    package var storageFailure: StorageFailure? {
        StorageCall(rawValue: "\(call)").map { StorageFailure($0, code: code) }
    }

    /// What failed, and where it came from a call on the store's files, what that means.
    package var explanation: String {
        storageFailure.map { "\(self). \($0.sentence)" } ?? description
    }
}
