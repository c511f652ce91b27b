import Logging
import Synchronization

/// The thread that makes segments ahead of need. Shards wake it when they take one;
/// they never wait for it.
final class SegmentMakerThread: @unchecked Sendable {
    // Sendable because `blockingPrepare` and then the thread alone touch what changes.
    private let store: Store
    private let logger: Logger
    private let wake: WakeDescriptor
    private let epoll: Epoll
    private let isStopping = Atomic<Bool>(false)
    /// Why no segment can be made is said once, until one is.
    private var hasSaidWhy = false

    /// How long to wait after a failure.
    private static let retryMilliseconds: CInt = 1000
    /// Longer than anybody waits: the wake-up comes first.
    private static let idleMilliseconds: CInt = 60_000

    init(_ store: Store, logger: Logger) throws(SystemError) {
        self.store = store
        self.logger = logger
        wake = try WakeDescriptor()
        epoll = try Epoll(capacity: 1)
        try epoll.add(wake.rawValue, [.readable, .edgeTriggered], data: 0)
    }

    /// Makes the first segments on the calling thread, so that the first writes find some.
    func blockingPrepare() {
        while case .made = step() {}
    }

    /// - Returns: the running thread, to be joined after ``stop()``.
    func start() throws(SystemError) -> Thread {
        store.opening.parts.pool.wakeMaker(wake.rawValue)
        return try Thread(name: "segments") { self.run() }
    }

    /// Ends the thread soon. No shard may take segments any more.
    func stop() {
        store.opening.parts.pool.wakeMaker(nil)
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.wake()
    }

    private func run() {
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            switch step() {
            case .made: break
            case .enough: wait(Self.idleMilliseconds)
            case .noSpace, .failed: wait(Self.retryMilliseconds)
            case .storeFailed: return
            }
        }
    }

    /// Makes a segment if one is wanted, and says what changed.
    private func step() -> SegmentMaker.Outcome {
        let health = store.opening.parts.health
        let couldWrite = health.acceptsWrites
        let outcome = store.maker.blockingStep(on: store.datafile.file)
        switch outcome {
        case .made:
            if hasSaidWhy { logger.notice("segments can be made again") }
            hasSaidWhy = false
        case .enough: break
        case .noSpace(let reason): say("\(reason).")
        case .failed(let error): say(error.explanation)
        case .storeFailed:
            // Else whoever failed has said so.
            guard couldWrite, let code = health.failureCode else { break }
            logger.error(
                """
                flush failed while a segment was made: \(SystemError("fdatasync", code: code).explanation) \
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

    private func wait(_ milliseconds: CInt) {
        _ = try? epoll.blockingWaitForEvents(timeoutMilliseconds: milliseconds)
    }
}
