import Protostore

/// The order in which new records are inserted, shared by all load threads.
///
/// A record may be read once it and all before it have been acknowledged, as YCSB
/// has it: so reads of the newest records are never misses.
final class Insertions: Sendable {
    private struct State {
        var next: UInt32
        var readable: UInt32
    }

    private let state: Locked<State>
    /// No record from here on is inserted.
    let limit: UInt32

    /// - Parameters:
    ///   - count: the records that are there.
    ///   - limit: how many there may be in the end.
    init(after count: UInt32, limit: UInt32) {
        state = Locked(State(next: count, readable: count))
        self.limit = limit
    }

    /// The index of the next record to insert, or nil where there is room for none.
    func next() -> UInt32? {
        state.withLock { state in
            guard state.next < limit else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    /// The records from 0 on that may be read.
    func readable(by table: VersionTable) -> UInt32 {
        state.withLock { state in
            while state.readable < state.next, table.isAcknowledged(state.readable) { state.readable += 1 }
            return state.readable
        }
    }
}
