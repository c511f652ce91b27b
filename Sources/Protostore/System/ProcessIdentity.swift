import CLinux
import Glibc

/// Which process this is, among all that ever ran since the machine started.
package struct ProcessIdentity: Equatable, Sendable {
    package let number: Int32
    /// In clock ticks since boot; 0 where it is not known. Tells a process from a
    /// later one of the same number.
    package let startTicks: UInt64

    package static func current() -> ProcessIdentity {
        let number = getpid()
        return ProcessIdentity(number: number, startTicks: startTicks(of: number) ?? 0)
    }

    package init(number: Int32, startTicks: UInt64) {
        self.number = number
        self.startTicks = startTicks
    }

    /// The process that started this one; another one once that has ended.
    package static var parentNumber: Int32 { getppid() }

    /// Whether the process still runs. One whose start is not known counts as long
    /// as any process has its number.
    package var isAlive: Bool {
        if kill(number, 0) != 0, errno == ESRCH { return false }
        guard startTicks != 0, let ticks = Self.startTicks(of: number) else { return true }
        return ticks == startTicks
    }

    /// Field 22 of /proc/N/stat; the second one, the name, may hold blanks and parentheses.
    private static func startTicks(of number: Int32) -> UInt64? {
        guard let text = text(of: "/proc/\(number)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].split(separator: " ")
        return fields.count > 20 ? UInt64(fields[20]) : nil
    }

    private static func text(of path: String) -> String? {
        guard let file = try? FileDescriptor.open(path) else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            let count = (try? file.read(into: buffer, at: 0)) ?? 0
            return String(decoding: buffer.prefix(count), as: UTF8.self)
        }
    }

    /// The inode number of this process's PID namespace; 0 where /proc does not say.
    package static func currentNamespace() -> UInt64 {
        var status = stat()
        return stat("/proc/self/ns/pid", &status) == 0 ? UInt64(status.st_ino) : 0
    }

    /// Forks between the first call of it and this process: differs in a child from
    /// what the parent saw. One load.
    @inline(__always)
    package static var forkCount: UInt64 { linux_fork_count() }

    /// Starts the count of forks, once per program.
    package static func countForks() { linux_count_forks() }

    /// Ends this process at once, as somebody else's SIGKILL would: for tests.
    package static func killItself() { _ = kill(getpid(), SIGKILL) }

    /// The user whose rights this process has.
    package static var effectiveUser: UInt32 { geteuid() }
}
