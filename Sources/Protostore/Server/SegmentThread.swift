import Logging
import Synchronization

/// The thread that keeps segments ready, and frees them: see ``SegmentPlanner``. Shards
/// wake it; they never wait for it.
final class SegmentThread: @unchecked Sendable {
    // Sendable because `blockingPrepare` and then the thread alone touch what changes.
    private let store: Store
    private let logger: Logger
    private let wake: WakeDescriptor
    private let epoll: Epoll
    /// Of the shards' loops, by number of the shard.
    private var doorbells: [Doorbell] = []
    private let isStopping = Atomic<Bool>(false)
    /// Relaxed: a figure.
    private let usedNanoseconds = Atomic<UInt64>(0)
    /// Why no segment can be had is said once, until one is.
    private var hasSaidWhy = false

    /// How long to wait after a failure.
    private static let retryMilliseconds = 1000
    /// Longer than anybody waits: the wake-up comes first.
    private static let idleMilliseconds = 60_000

    init(_ store: Store, logger: Logger) throws(SystemError) {
        self.store = store
        self.logger = logger
        wake = try WakeDescriptor()
        epoll = try Epoll(capacity: 1)
        try epoll.add(wake.rawValue, [.readable, .edgeTriggered], data: 0)
    }

    /// Makes the first segments on the calling thread, so that the first writes find some.
    func blockingPrepare() {
        while case .goOn = step(isIdle: false) {}
    }

    /// - Parameter doorbells: of the shards' loops.
    /// - Returns: the running thread, to be joined after ``stop()``.
    func start(doorbells: [Doorbell]) throws(SystemError) -> Thread {
        self.doorbells = doorbells
        store.opening.parts.pool.wakeMaker(wake.rawValue)
        store.opening.parts.compaction.wakePlanner(wake.rawValue)
        return try Thread(name: "segments") { self.run() }
    }

    /// Processor time that the thread has used.
    var cpuNanoseconds: UInt64 { usedNanoseconds.load(ordering: .relaxed) }

    /// Ends the thread soon. No shard may take segments any more.
    func stop() {
        store.opening.parts.pool.wakeMaker(nil)
        store.opening.parts.compaction.wakePlanner(nil)
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.wake()
    }

    private func run() {
        var isIdle = false
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            defer { usedNanoseconds.store(Thread.currentCPUNanoseconds, ordering: .relaxed) }
            switch step(isIdle: isIdle) {
            case .goOn: isIdle = false
            case .wait(let milliseconds): isIdle = wait(milliseconds)
            case .noSpace, .failed: isIdle = wait(Self.retryMilliseconds)
            case .storeFailed: return
            }
        }
    }

    /// Plans, and makes a segment if one is wanted; says what changed.
    private func step(isIdle: Bool) -> SegmentPlanner.Outcome {
        let now = ShardTime(
            wallMilliseconds: Clock.wallMilliseconds(), monotonicNanoseconds: Clock.monotonicNanoseconds())
        let (outcome, toWake) = store.planner.blockingStep(on: store.datafile.file, now: now, isIdle: isIdle)
        for shard in toWake where shard < doorbells.count { doorbells[shard].ring() }
        switch outcome {
        // One that was freed is not the end of it.
        case .goOn: break
        case .wait:
            if hasSaidWhy { logger.notice("segments can be had again") }
            hasSaidWhy = false
        case .noSpace(let reason): say("\(reason).")
        case .failed(let error): say(error.explanation)
        // Else whoever failed first has said so.
        case .storeFailed(nil): break
        case .storeFailed(let error?):
            logger.error(
                """
                flush failed while a segment was made: \(error.explanation) \
                No write is acknowledged any more until the store is restarted; reads go on
                """)
        }
        return outcome
    }

    private func say(_ reason: String) {
        guard !hasSaidWhy else { return }
        hasSaidWhy = true
        logger.error(
            "no segment could be made: \(reason) Writes go on while there are free segments, then they are refused")
    }

    /// - Returns: whether the time went by and nothing came.
    private func wait(_ milliseconds: Int) -> Bool {
        let count = try? epoll.blockingWaitForEvents(timeoutMilliseconds: CInt(clamping: min(milliseconds, Self.idleMilliseconds)))
        return count == 0
    }
}
