import Synchronization

/// One backup of the store that a server has open, on a thread of its own.
final class BackupRun: Sendable {
    private let store: Store
    private let path: String
    private let bytesPerSecondMax: Int?
    private let wakeDescriptor: CInt
    private let cancellation = Locked<BackupError?>(nil)
    private let outcome = Locked<Result<StoreBackup.Report, any Error>?>(nil)
    /// Relaxed: numbers to look at.
    private let doneBytes = Atomic<Int>(0)
    private let allBytes = Atomic<Int>(0)

    /// - Parameter wakeDescriptor: an eventfd that is raised at the end, and stays open so long.
    init(_ store: Store, path: String, bytesPerSecondMax: Int?, wakeDescriptor: CInt) {
        self.store = store
        self.path = path
        self.bytesPerSecondMax = bytesPerSecondMax
        self.wakeDescriptor = wakeDescriptor
    }

    // MARK: From the thread that wants it

    /// - Returns: the running thread, to be joined when there is a result.
    func start() throws(SystemError) -> Thread { try Thread(name: "backup") { self.run() } }

    /// Ends it soon.
    func cancel(_ reason: BackupError) {
        cancellation.withLock { $0 = $0 ?? reason }
    }

    /// Bytes that are copied, and all; 0 and 0 before the store is captured.
    var progress: (done: Int, all: Int) { (doneBytes.load(ordering: .relaxed), allBytes.load(ordering: .relaxed)) }

    /// What came of it, when it is over.
    var result: Result<StoreBackup.Report, any Error>? { outcome.withLock { $0 } }

    // MARK: Its own thread

    private func run() {
        let result = Result { try blockingCopy() }
        outcome.withLock { $0 = result }
        WakeDescriptor.wake(wakeDescriptor)
    }

    private func blockingCopy() throws -> StoreBackup.Report {
        let backup = try StoreBackup(to: path)
        let order = BackupOrder(sharesSpace: backup.sharesFileSystem(with: store.datafile.file))
        store.planner.begin(order)
        // When what was written is removed, should it come to that.
        defer { store.planner.end(order) }
        let capture: BackupCapture
        do {
            capture = try order.blockingCapture { try check(order) }
        } catch {
            backup.unclaim()
            throw error
        }
        return try backup.blockingCopy(
            capture, from: store.datafile.file, bytesPerSecondMax: bytesPerSecondMax
        ) { done, all in
            doneBytes.store(done, ordering: .relaxed)
            allBytes.store(all, ordering: .relaxed)
            try check(order)
        }
    }

    /// Why it must not go on.
    private func check(_ order: BackupOrder) throws {
        if let reason = cancellation.withLock({ $0 }) { throw reason }
        if let failure = order.failure { throw failure }
        if !store.opening.parts.health.acceptsWrites { throw BackupError.storeFailed }
    }
}
