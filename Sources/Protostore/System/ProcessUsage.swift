import Glibc

/// What this process has used so far.
package struct ProcessUsage: Sendable {
    package var userNanoseconds: UInt64
    package var systemNanoseconds: UInt64
    /// Largest resident set so far, in bytes.
    package var residentBytesMax: Int
    /// Pages that the kernel mapped without reading a disk.
    package var minorPageFaults: Int

    package static func current() -> ProcessUsage {
        of(RUSAGE_SELF.rawValue)
    }

    /// CPU time of the calling thread alone; the resident set is the process's.
    package static func currentThread() -> ProcessUsage {
        // RUSAGE_THREAD, which glibc declares for _GNU_SOURCE only.
        of(1)
    }

    /// Pages that the kernel mapped for the calling thread: one system call.
    package static var currentThreadPageFaults: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(1), &usage)
        return usage.ru_minflt
    }

    private static func of(_ who: CInt) -> ProcessUsage {
        var usage = rusage()
        getrusage(__rusage_who_t(who), &usage)
        func nanoseconds(_ time: timeval) -> UInt64 {
            UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_usec) * 1000
        }
        return ProcessUsage(
            userNanoseconds: nanoseconds(usage.ru_utime), systemNanoseconds: nanoseconds(usage.ru_stime),
            residentBytesMax: peakResidentBytes() ?? usage.ru_maxrss * 1024, minorPageFaults: usage.ru_minflt)
    }

    /// Memory of the process that is resident now, in bytes, or nil where the system does not say.
    package static func residentBytes() -> Int? { status("VmRSS:") }

    /// ru_maxrss is no answer: it survives exec, so a small program that a large one has
    /// started reports the large one's.
    private static func peakResidentBytes() -> Int? { status("VmHWM:") }

    /// Memory of the machine in bytes, or nil where the system does not say.
    package static func machineBytes() -> Int? { line("MemTotal:", of: "/proc/meminfo") }

    private static func status(_ name: String) -> Int? { line(name, of: "/proc/self/status") }

    /// A line that gives kilobytes, in bytes.
    private static func line(_ name: String, of path: String) -> Int? {
        guard let file = try? FileDescriptor.open(path) else { return nil }
        let text = withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 1) { buffer in
            let count = (try? file.read(into: buffer, at: 0)) ?? 0
            return String(decoding: buffer.prefix(count), as: UTF8.self)
        }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        guard let words = line?.split(whereSeparator: \.isWhitespace), words.count == 3 else { return nil }
        return Int(words[1]).map { $0 * 1024 }
    }
}
