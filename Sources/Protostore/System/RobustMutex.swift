import CLinux
import Glibc

/// A mutex in memory that several processes share, which survives its owner: when
/// the owner dies, however, the kernel hands it to the next one and says so.
///
/// It is glibc's robust, process-shared, error-checking mutex. The kernel knows
/// the held ones of each thread (`set_robust_list(2)`), so an `exec` and the end of a
/// single thread count as death, too, and nobody has to guess whether a process
/// number still means the same process. Identity is a thread number: all users of
/// a mutex must be in one PID namespace.
package struct RobustMutex {
    /// Bytes that one takes, at an address that 8 divides.
    package static let byteCount = linux_robust_mutex_bytes()

    private let address: UnsafeMutableRawPointer

    package init(at address: UnsafeMutableRawPointer) {
        self.address = address
    }

    package enum Acquisition: Equatable {
        case acquired
        /// Acquired, but its owner before died: the caller puts right what it protects and calls
        /// ``markConsistent()``.
        case ownerDied
        /// Another thread has it.
        case busy
        /// This thread has it already (a signal handler), or the memory holds no mutex.
        case failed(CInt)
    }

    /// Makes a free mutex; nobody may be using the memory.
    package func initialize() {
        _ = linux_robust_mutex_init(address)
    }

    @inline(__always)
    package func blockingLock() -> Acquisition {
        acquisition(linux_robust_mutex_lock(address))
    }

    @inline(__always)
    package func tryLock() -> Acquisition {
        acquisition(linux_robust_mutex_trylock(address))
    }

    package func markConsistent() {
        _ = linux_robust_mutex_consistent(address)
    }

    @inline(__always)
    package func unlock() {
        _ = linux_robust_mutex_unlock(address)
    }

    @inline(__always)
    private func acquisition(_ code: CInt) -> Acquisition {
        switch code {
        case 0: .acquired
        case EOWNERDEAD: .ownerDied
        case EBUSY: .busy
        default: .failed(code)
        }
    }
}
