import Synchronization

/// A backup of an open store, between the thread that copies and the segment planner.
///
/// ```
/// copying thread:  begin ------------------> wait for the capture ---> copy ---> end
/// planner:               barrier, capture, nothing is freed                        free
///                                                     at the reserve: gives up, frees at once
/// ```
package final class BackupOrder: Sendable {
    private enum State {
        case waiting
        case captured(BackupCapture)
        case failed(BackupError)
    }

    /// The copy is written to the file system that the store grows in.
    package let sharesSpace: Bool
    private let state = Locked(State.waiting)
    private let isCut = Atomic<Bool>(false)

    package init(sharesSpace: Bool = false) {
        self.sharesSpace = sharesSpace
    }

    /// The barrier was lifted: what is written from now on is not part of the copy.
    package var hasCut: Bool { isCut.load(ordering: .acquiring) }

    /// Why it must end, or nil.
    package var failure: BackupError? {
        state.withLock { if case .failed(let error) = $0 { error } else { nil } }
    }

    /// What is to be copied, once that is known.
    package var capture: BackupCapture? {
        state.withLock { if case .captured(let capture) = $0 { capture } else { nil } }
    }

    // MARK: For the planner

    func noteCut() { isCut.store(true, ordering: .releasing) }

    func deliver(_ capture: BackupCapture) {
        state.withLock { if case .waiting = $0 { $0 = .captured(capture) } }
    }

    /// The first reason counts.
    func fail(_ error: BackupError) {
        state.withLock { state in
            if case .failed = state { return }
            state = .failed(error)
        }
    }

    // MARK: For the thread that copies

    private static let pollNanoseconds: UInt64 = 2_000_000

    /// Waits until the planner has captured the store.
    /// - Parameter check: called every few milliseconds; what it throws ends the waiting.
    package func blockingCapture(_ check: () throws -> Void) throws -> BackupCapture {
        while true {
            if let capture { return capture }
            if let failure { throw failure }
            try check()
            Clock.blockingSleep(nanoseconds: Self.pollNanoseconds)
        }
    }
}
