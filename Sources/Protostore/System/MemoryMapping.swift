import CLinux
import Glibc

/// A range of mapped memory with one owner; unmapped when the owner goes.
package struct MemoryMapping: ~Copyable, @unchecked Sendable {
    // Sendable because it only owns the range; who touches which bytes is its user's rule.
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int

    /// Private zeroed memory, page aligned.
    /// - Parameter hugePages: ask for 2 MiB pages, which save the kernel work
    ///   when it pins direct I/O buffers.
    package init(anonymous byteCount: Int, hugePages: Bool = false) throws(SystemError) {
        let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base, base != MAP_FAILED else { throw .last("mmap") }
        if hugePages { _ = madvise(base, byteCount, linux_MADV_HUGEPAGE) }
        self.base = base
        self.byteCount = byteCount
    }

    /// Private zeroed memory of which only the pages that are touched count:
    /// a range to grow into.
    package init(reserving byteCount: Int, hugePages: Bool = false) throws(SystemError) {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | linux_MAP_NORESERVE
        let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let base, base != MAP_FAILED else { throw .last("mmap") }
        if hugePages { _ = madvise(base, byteCount, linux_MADV_HUGEPAGE) }
        self.base = base
        self.byteCount = byteCount
    }

    /// `byteCount` bytes of a file, shared with everybody who maps it. Pages
    /// that the file does not have yet must be allocated before they are touched.
    package init(shared file: borrowing FileDescriptor, byteCount: Int, writable: Bool) throws(SystemError) {
        let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
        let base = mmap(nil, byteCount, protection, MAP_SHARED | linux_MAP_NORESERVE, file.rawValue, 0)
        guard let base, base != MAP_FAILED else { throw .last("mmap") }
        self.base = base
        self.byteCount = byteCount
    }

    deinit {
        munmap(base, byteCount)
    }

    package var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: base, count: byteCount)
    }

    /// Gives whole pages of a private mapping back; they read as zeros afterwards.
    package func discard(offset: Int, byteCount: Int) throws(SystemError) {
        precondition(offset >= 0 && byteCount >= 0 && offset + byteCount <= self.byteCount)
        guard madvise(base + offset, byteCount, MADV_DONTNEED) == 0 else { throw .last("madvise") }
    }

    /// The size of a page of this machine in bytes.
    package static let pageBytes = Int(sysconf(CInt(_SC_PAGESIZE)))
}

/// Asks the processor to fetch the cache line at `address`; never faults.
@inline(__always)
package func prefetch(_ address: UnsafeRawPointer) {
    linux_prefetch(address)
}
