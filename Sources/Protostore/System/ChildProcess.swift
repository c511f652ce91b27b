import Glibc

/// Another process that this one started.
package struct ChildProcess: Sendable {
    package let number: Int32

    /// Starts this program again with other arguments; it shares the standard streams.
    package init(thisProgramWith arguments: [String]) throws(SystemError) {
        // Threads may block signals, and children inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words = (["/proc/self/exe"] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var number: pid_t = 0
        let code = posix_spawn(&number, "/proc/self/exe", nil, &attributes, &words, environ)
        guard code == 0 else { throw SystemError("posix_spawn", code: code) }
        self.number = number
    }

    /// Ends it at once, whatever it does.
    package func kill() { _ = Glibc.kill(number, SIGKILL) }

    /// Waits for its end.
    /// - Returns: its exit code, or minus the signal that ended it.
    package func blockingWait() -> Int32 {
        var status: CInt = 0
        while waitpid(number, &status, 0) < 0 && errno == EINTR {}
        return Self.outcome(status)
    }

    /// Whether it has ended; ``blockingWait()`` still says how.
    package var hasEnded: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(number), &information, WEXITED | WNOHANG | WNOWAIT) == 0
            && information.si_signo != 0
    }

    /// Its exit code or minus the signal, if it has ended; asked once more it is not there.
    package func outcomeIfEnded() -> Int32? {
        var status: CInt = 0
        return waitpid(number, &status, WNOHANG) == number ? Self.outcome(status) : nil
    }

    private static func outcome(_ status: CInt) -> Int32 {
        status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
    }
}
