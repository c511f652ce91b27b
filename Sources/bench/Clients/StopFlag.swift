import Synchronization

/// Set once by the thread that reports, seen by the load threads at their next turn.
final class StopFlag: Sendable {
    // Relaxed: nothing else is published with it.
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}
