import Glibc

/// What this process has used so far.
package struct ProcessUsage: Sendable {
    package var userNanoseconds: UInt64
    package var systemNanoseconds: UInt64
    /// Largest resident set so far, in bytes.
    package var residentBytesMax: Int

    package static func current() -> ProcessUsage {
        of(RUSAGE_SELF.rawValue)
    }

    /// CPU time of the calling thread alone; the resident set is the process's.
    package static func currentThread() -> ProcessUsage {
        // RUSAGE_THREAD, which glibc declares for _GNU_SOURCE only.
        of(1)
    }

    private static func of(_ who: CInt) -> ProcessUsage {
        var usage = rusage()
        getrusage(__rusage_who_t(who), &usage)
        func nanoseconds(_ time: timeval) -> UInt64 {
            UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_usec) * 1000
        }
        return ProcessUsage(
            userNanoseconds: nanoseconds(usage.ru_utime), systemNanoseconds: nanoseconds(usage.ru_stime),
            residentBytesMax: usage.ru_maxrss * 1024)
    }
}
