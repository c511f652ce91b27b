import CLinux

/// Ordering of memory accesses beyond what atomics say.
package enum MemoryOrder {
    /// Keeps the compiler from moving loads and stores across; costs nothing.
    @inline(__always)
    package static func compilerBarrier() { linux_compiler_barrier() }

    /// Makes this process take part in ``barrierEverywhere()`` of others.
    /// - Returns: false where the kernel or a filter of system calls has none.
    package static func registerForBarriers() -> Bool { linux_membarrier_register() == 0 }

    /// A full barrier in every running thread of every registered process, so that
    /// these need none of their own.
    package static func barrierEverywhere() -> Bool { linux_membarrier_everywhere() == 0 }

    /// A moment's pause in a loop that waits for another thread.
    @inline(__always)
    package static func pause() { linux_pause() }
}
