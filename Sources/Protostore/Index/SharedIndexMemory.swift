import var Glibc.EINVAL
import var Glibc.EWOULDBLOCK

/// Index memory in a file, by default in /dev/shm: it outlives the process
/// until the file is removed.
///
/// The file is sparse and as long as the whole range of addresses. Pages are
/// allocated with fallocate before the index touches them, so that a full
/// file system is an error of the one insert and never a SIGBUS. The file is
/// locked (flock) as long as this value lives.
package struct SharedIndexMemory: IndexMemory, ~Copyable {
    /// What to do about a file that is there already.
    package enum Opening: Sendable {
        /// Throw its content away.
        case create
        /// Keep its content: the caller hands it to `IndexStorage(adopting:)`.
        case adopt
    }

    package let path: String
    private let file: FileDescriptor
    private let mapping: MemoryMapping
    private let budget: ByteBudget

    /// - Parameters:
    ///   - path: of the file, as `/dev/shm/protostore-...`; created for its owner alone.
    ///   - windowCount: 1...2^24; each takes 128 KiB of addresses.
    ///   - indexBytesMax: bytes at which growth is refused with ENOSPC.
    /// - Throws: EWOULDBLOCK where another process has the file open, EINVAL
    ///   where a file to adopt has another size.
    package init(
        path: String, _ opening: Opening = .create, windowCount: Int = IndexLayout.windowCountDefault,
        indexBytesMax: Int = .max
    ) throws(SystemError) {
        let byteCount = IndexLayout.byteCount(windowCount: windowCount)
        let options: FileDescriptor.OpenOptions =
            opening == .create ? [.write, .create, .noFollow] : [.write, .noFollow]
        let file = try FileDescriptor.open(path, options)
        guard try file.tryLockExclusively() else { throw SystemError("flock", code: EWOULDBLOCK, on: path) }
        switch opening {
        case .create:
            try file.truncate(byteCount: 0)
            try file.truncate(byteCount: byteCount)
        case .adopt:
            guard try file.byteCount() == byteCount else { throw SystemError("open", code: EINVAL, on: path) }
        }
        self.mapping = try MemoryMapping(shared: file, byteCount: byteCount, writable: true)
        self.file = file
        self.path = path
        self.budget = ByteBudget(byteCountMax: indexBytesMax)
    }

    deinit {
        file.unlock()
    }

    package var base: UnsafeMutableRawPointer { mapping.base }
    package var byteCount: Int { mapping.byteCount }
    package var allocatedByteCount: Int { budget.byteCount }

    package func allocate(offset: Int, byteCount: Int) throws(SystemError) {
        try budget.take(byteCount)
        do throws(SystemError) {
            try file.allocate(offset: offset, byteCount: byteCount)
        } catch {
            // What a file system other than tmpfs may have allocated in part
            // is still zeros, and counts once it is allocated in whole.
            budget.giveBack(byteCount)
            throw SystemError(error.call, code: error.code, on: path)
        }
    }

    package func release(offset: Int, byteCount: Int) throws(SystemError) {
        try file.punchHole(offset: offset, byteCount: byteCount)
        budget.giveBack(byteCount)
    }

    package func discard(offset: Int, byteCount: Int) throws(SystemError) {
        try file.punchHole(offset: offset, byteCount: byteCount)
    }

    /// Removes the file's name. Memory goes when the last user has gone.
    package func unlink() throws(SystemError) {
        try Directory.removeFile(path)
    }
}
