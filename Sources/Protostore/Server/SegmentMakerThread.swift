import Logging
import Synchronization

/// The thread that makes segments ahead of need. Shards wake it when they take one;
/// they never wait for it.
final class SegmentMakerThread: @unchecked Sendable {
    // Sendable because only the thread waits at the epoll, which is all that changes.
    private let store: Store
    private let logger: Logger
    private let wake: WakeDescriptor
    private let epoll: Epoll
    private let isStopping = Atomic<Bool>(false)

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
        while case .made = store.maker.blockingStep(on: store.datafile.file) {}
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
        var hasSaid = false
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            switch store.maker.blockingStep(on: store.datafile.file) {
            case .made:
                if hasSaid { logger.notice("segments can be made again") }
                hasSaid = false
            case .enough: wait(Self.idleMilliseconds)
            case .noSpace(let reason):
                say(&hasSaid, reason)
                wait(Self.retryMilliseconds)
            case .failed(let error):
                say(&hasSaid, "\(error)")
                wait(Self.retryMilliseconds)
            case .storeFailed: return
            }
        }
    }

    private func say(_ hasSaid: inout Bool, _ reason: String) {
        if !hasSaid {
            logger.error(
                "no segment could be made: \(reason). Writes go on while there are free segments, then they are refused")
        }
        hasSaid = true
    }

    private func wait(_ milliseconds: CInt) {
        _ = try? epoll.blockingWaitForEvents(timeoutMilliseconds: milliseconds)
    }
}
