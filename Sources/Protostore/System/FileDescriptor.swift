import CLinux
import Glibc

/// An open descriptor with exactly one owner; closed when the owner goes.
package struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for calls that only look. Never closed by a caller.
    package let rawValue: CInt

    /// Takes ownership of `rawValue`, which must be open.
    package init(owning rawValue: CInt) {
        self.rawValue = rawValue
    }

    deinit {
        _ = Glibc.close(rawValue)
    }

    /// Gives the descriptor up without closing it.
    package consuming func release() -> CInt {
        let value = rawValue
        discard self
        return value
    }
}

// MARK: - Files

extension FileDescriptor {
    package struct OpenOptions: OptionSet, Sendable {
        package let rawValue: CInt
        package init(rawValue: CInt) { self.rawValue = rawValue }

        package static let write = OpenOptions(rawValue: O_RDWR)
        package static let create = OpenOptions(rawValue: O_CREAT)
        /// With `create`: fail if the file is there already. Of a block device: fail with EBUSY if it is
        /// mounted, part of another device, or open exclusively elsewhere.
        package static let exclusive = OpenOptions(rawValue: O_EXCL)
        package static let truncate = OpenOptions(rawValue: O_TRUNC)
        /// Past the page cache: offsets, lengths and memory must be aligned.
        package static let direct = OpenOptions(rawValue: linux_O_DIRECT)
        package static let noFollow = OpenOptions(rawValue: linux_O_NOFOLLOW)
    }

    /// Opens `path` for reading, and for writing where the options say so.
    /// New files belong to their owner alone unless `mode` says otherwise.
    package static func open(
        _ path: String, _ options: OpenOptions = [], mode: mode_t = 0o600
    ) throws(SystemError) -> FileDescriptor {
        let descriptor = uninterrupted { Glibc.open(path, options.rawValue | linux_O_CLOEXEC, mode) }
        guard descriptor >= 0 else { throw .last("open", on: path) }
        return FileDescriptor(owning: descriptor)
    }

    package func status() throws(SystemError) -> stat {
        var status = stat()
        guard fstat(rawValue, &status) == 0 else { throw .last("fstat") }
        return status
    }

    /// Bytes in a regular file or on a block device.
    package func byteCount() throws(SystemError) -> Int {
        let status = try status()
        if status.st_mode & S_IFMT == S_IFBLK {
            let bytes = linux_block_device_bytes(rawValue)
            guard bytes >= 0 else { throw .last("ioctl(BLKGETSIZE64)") }
            return Int(bytes)
        }
        return Int(status.st_size)
    }

    /// The alignment in bytes that O_DIRECT wants of offsets and lengths.
    package func directIOAlignment() -> Int {
        var memory: UInt32 = 0
        var offset: UInt32 = 0
        _ = linux_direct_io_alignment(rawValue, &memory, &offset)
        return Int(max(memory, offset))
    }

    /// Reads until `buffer` is full or the file ends.
    /// - Returns: the number of bytes read.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = uninterrupted {
                pread(rawValue, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            }
            guard count >= 0 else { throw .last("pread") }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of `buffer`.
    package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        var done = 0
        while done < buffer.count {
            let count = uninterrupted {
                pwrite(rawValue, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            }
            guard count >= 0 else { throw .last("pwrite") }
            // No file does that; going on would never end.
            guard count > 0 else { throw SystemError("pwrite", code: EIO) }
            done += count
        }
    }

    /// Makes the bytes from `offset` on belong to the file, so that touching
    /// a mapping of them cannot run out of space. Extends the file.
    package func allocate(offset: Int, byteCount: Int) throws(SystemError) {
        try fallocate(mode: 0, offset: offset, byteCount: byteCount)
    }

    /// Gives the space of the range back; it reads as zeros afterwards.
    package func punchHole(offset: Int, byteCount: Int) throws(SystemError) {
        try fallocate(
            mode: linux_FALLOC_FL_PUNCH_HOLE | linux_FALLOC_FL_KEEP_SIZE, offset: offset, byteCount: byteCount)
    }

    private func fallocate(mode: CInt, offset: Int, byteCount: Int) throws(SystemError) {
        let result = uninterrupted { linux_fallocate(rawValue, mode, Int64(offset), Int64(byteCount)) }
        guard result == 0 else { throw .last("fallocate") }
    }

    package func truncate(byteCount: Int) throws(SystemError) {
        guard uninterrupted({ ftruncate(rawValue, off_t(byteCount)) }) == 0 else { throw .last("ftruncate") }
    }

    /// Everything written so far is on stable storage when this returns.
    /// A failure is final, even by a signal: the kernel may have dropped the data,
    /// and a second call would report success.
    package func synchronize() throws(SystemError) {
        guard fdatasync(rawValue) == 0 else { throw .last("fdatasync") }
    }

    /// Takes the exclusive lock of the file (flock), which goes with the descriptor.
    /// - Returns: false if another open file description holds it.
    package func tryLockExclusively() throws(SystemError) -> Bool {
        if uninterrupted({ flock(rawValue, LOCK_EX | LOCK_NB) }) == 0 { return true }
        if errno == EWOULDBLOCK { return false }
        throw .last("flock")
    }
}

/// Repeats a call that a signal interrupted. One that is interrupted a hundred times
/// in a row is left at its error.
private func uninterrupted<Result: SignedInteger>(_ call: () -> Result) -> Result {
    var result = call()
    var attempts = 1
    while result < 0, errno == EINTR, attempts < 100 {
        result = call()
        attempts += 1
    }
    return result
}

// MARK: - Directories

package enum Directory {
    /// Makes the entries of `path` durable: creations, renames and removals.
    package static func synchronize(_ path: String) throws(SystemError) {
        let directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | linux_O_CLOEXEC)
        guard directory >= 0 else { throw .last("open", on: path) }
        let owner = FileDescriptor(owning: directory)
        guard fsync(owner.rawValue) == 0 else { throw .last("fsync", on: path) }
    }

    /// Bytes that a process without privileges may still write to the file
    /// system of `path`, and the file system's size.
    package static func space(at path: String) throws(SystemError) -> (free: Int, total: Int) {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { throw .last("statvfs", on: path) }
        return (Int(info.f_bavail) * Int(info.f_frsize), Int(info.f_blocks) * Int(info.f_frsize))
    }

    package static func create(_ path: String) throws(SystemError) {
        if mkdir(path, 0o755) != 0, errno != EEXIST { throw .last("mkdir", on: path) }
    }

    package static func fileExists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// Removes a file; one that is not there is fine.
    package static func removeFile(_ path: String) throws(SystemError) {
        if unlink(path) != 0, errno != ENOENT { throw .last("unlink", on: path) }
    }

    /// Renames a file; a file of the new name is replaced in one step.
    package static func renameFile(_ from: String, to: String) throws(SystemError) {
        guard rename(from, to) == 0 else { throw .last("rename", on: from) }
    }
}
