import var Glibc.ENOSPC

/// Memory for an index that outlives its process, as a file in /dev/shm does.
struct SurvivingIndexMemory: IndexMemory, ~Copyable {
    private let pages: IndexPages

    init(_ pages: IndexPages) {
        self.pages = pages
    }

    var base: UnsafeMutableRawPointer { pages.mapping.base }
    var byteCount: Int { pages.mapping.byteCount }
    var allocatedByteCount: Int { pages.allocatedBytes }

    func allocate(offset: Int, byteCount: Int) throws(SystemError) { try pages.take(byteCount) }

    func release(offset: Int, byteCount: Int) throws(SystemError) {
        try pages.mapping.discard(offset: offset, byteCount: byteCount)
        pages.allocatedBytes -= byteCount
    }

    func discard(offset: Int, byteCount: Int) throws(SystemError) {
        try pages.mapping.discard(offset: offset, byteCount: byteCount)
    }
}

/// The pages themselves.
final class IndexPages: @unchecked Sendable {
    // Sendable because one thread runs a history, and all its shards.
    let mapping: MemoryMapping
    var allocatedBytes = 0
    var allocatedBytesMax = Int.max

    /// Each of the 4,096 roots with a key has a window of its own.
    private static let windowCount = 4096 + 1024

    init() throws(SystemError) {
        mapping = try MemoryMapping(reserving: IndexLayout.byteCount(windowCount: Self.windowCount))
    }

    /// As a process finds it that has just created the file.
    func clear() throws(SystemError) {
        try mapping.discard(offset: 0, byteCount: mapping.byteCount)
        allocatedBytes = 0
    }

    fileprivate func take(_ byteCount: Int) throws(SystemError) {
        guard allocatedBytes + byteCount <= allocatedBytesMax else {
            throw SystemError("allocate", code: ENOSPC, on: "the simulated index memory")
        }
        allocatedBytes += byteCount
    }
}
