import CLinux
import Glibc
import Synchronization

/// A thread of the operating system that runs one closure.
package final class Thread: Sendable {
    private let handle: pthread_t
    /// To join twice is undefined: the handle may be another thread's by then. Relaxed: whoever joins is one.
    private let isJoined = Atomic<Bool>(false)

    private final class Start {
        let name: String
        let cpu: Int?
        let body: @Sendable () -> Void

        init(name: String, cpu: Int?, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.cpu = cpu
            self.body = body
        }
    }

    /// Starts the thread.
    /// - Parameters:
    ///   - name: as `top -H` and `perf` show it; the first 15 bytes count.
    ///   - cpu: which of the processors that this process may use to stay on, from 0
    ///     up to ``processorCount``, or nil to let the kernel choose.
    package init(name: String, cpu: Int? = nil, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let start = Unmanaged.passRetained(Start(name: name, cpu: cpu, body: body))
        var handle = pthread_t()
        let code = pthread_create(
            &handle, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                _ = linux_thread_set_name(String(start.name.prefix(15)))
                if let cpu = start.cpu { _ = linux_thread_pin(CInt(cpu)) }
                start.body()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw SystemError("pthread_create", code: code)
        }
        self.handle = handle
    }

    /// Waits for the thread's end. Once.
    package func blockingJoin() {
        precondition(!isJoined.exchange(true, ordering: .relaxed), "a thread is joined once")
        pthread_join(handle, nil)
    }

    /// Names the calling thread, for `top -H` and crash reports; the first 15 bytes count.
    package static func nameCurrent(_ name: String) {
        _ = linux_thread_set_name(String(name.prefix(15)))
    }

    /// The number of processors that this process may run on.
    package static var processorCount: Int { Int(linux_cpu_count()) }

    /// CPU time in nanoseconds that the calling thread has used.
    package static var currentCPUNanoseconds: UInt64 { UInt64(linux_thread_cpu_nanoseconds()) }

    /// Lets timed waits of the calling thread end on time: by default the
    /// kernel may add 50 microseconds to save wake-ups.
    package static func setTimerSlack(nanoseconds: UInt64) throws(SystemError) {
        guard linux_thread_set_timer_slack(max(1, nanoseconds)) == 0 else { throw .last("prctl(PR_SET_TIMERSLACK)") }
    }
}
