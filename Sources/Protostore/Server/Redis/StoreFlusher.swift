/// Flushes the datafile on a thread of its own: SAVE and BGSAVE.
///
/// With `--sync always` there is nothing to do: everything that was acknowledged is on
/// stable storage. Otherwise a flush covers every write that was acknowledged before it
/// began, since those were complete. One at a time; whoever comes while one is under way
/// waits for the next, which alone covers what came before it.
///
/// Touched by the main thread only.
final class StoreFlusher {
    /// How a flush ended.
    struct Saved {
        let seconds: UInt64
        let error: SystemError?
    }

    private final class Run: Sendable {
        let outcome = Locked<Saved?>(nil)
    }

    private let store: Store
    private let wakeDescriptor: CInt
    private var running: (run: Run, thread: Thread, started: UInt64)?
    /// Flushes that were asked for, begun, and done, by number.
    private var wanted: UInt64 = 0
    private var begun: UInt64 = 0
    private var done: UInt64 = 0
    private var lastError: SystemError?

    init(_ store: Store, wakeDescriptor: CInt) {
        self.store = store
        self.wakeDescriptor = wakeDescriptor
    }

    var isRunning: Bool { running != nil }
    /// Seconds that the one under way has taken, or nil.
    var runningSeconds: UInt64? {
        running.map { (Clock.monotonicNanoseconds() &- $0.started) / 1_000_000_000 }
    }

    /// - Returns: what to ask ``outcome(of:)`` for.
    func want() -> UInt64 {
        wanted = begun + 1
        return wanted
    }

    /// Whether a flush is over, and how it ended: nil while it is not, nil in it for success.
    func outcome(of ticket: UInt64) -> SystemError?? {
        done >= ticket ? .some(lastError) : nil
    }

    /// - Throws: where there can be no thread. Those who wait are told so.
    func startIfWanted() throws(SystemError) {
        guard running == nil, wanted > begun else { return }
        begun = wanted
        let run = Run()
        do throws(SystemError) {
            let thread = try Thread(name: "flush") { [store, wakeDescriptor] in
                let error = Self.blockingFlush(store)
                run.outcome.withLock { $0 = Saved(seconds: Clock.wallMilliseconds() / 1000, error: error) }
                WakeDescriptor.wake(wakeDescriptor)
            }
            running = (run, thread, Clock.monotonicNanoseconds())
        } catch {
            done = begun
            lastError = error
            WakeDescriptor.wake(wakeDescriptor)
            throw error
        }
    }

    /// A failed flush is never tried again: the store takes no writes any more.
    private static func blockingFlush(_ store: Store) -> SystemError? {
        do throws(SystemError) {
            try store.datafile.file.synchronize()
            return nil
        } catch {
            store.opening.parts.health.fail(error.code)
            return error
        }
    }

    /// What has ended since, if anything.
    func collect() -> Saved? {
        guard let (run, thread, _) = running, let saved = run.outcome.withLock({ $0 }) else { return nil }
        thread.blockingJoin()
        running = nil
        done = begun
        lastError = saved.error
        return saved
    }

    func blockingStop() {
        running?.thread.blockingJoin()
        running = nil
    }
}
