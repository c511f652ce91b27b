/// A moment at which a test ends a process as `kill -9` would, to see what it leaves to those that go on:
/// `table torture --moments`. Debug programs only: in others a moment is an empty call.
package enum TableMoment: String {
    /// The lock of a stripe is held, nothing is changed.
    case locked
    /// A cell is changed, the count of pairs is not.
    case cellChanged
    /// A word of a longer change is in the journal, and not yet stored.
    case wordNoted
    /// A window is taken for a change.
    case windowClaimed
    /// A region is copied, and its successor not yet in its place.
    case regionCopied
    /// A change is done, its windows are not yet given up and taken over.
    case changeDone
    /// A record is copied by a collection, and its cell points to the old one.
    case recordCopied
    /// A free window counts as without pages, and still has them.
    case windowEmptied

    /// Says that the moment has come.
    @inline(__always)
    static func reached(_ moment: TableMoment) {
        #if DEBUG
            if moment == armed { reachedArmed() }
        #endif
    }
}

#if DEBUG
    extension TableMoment: CaseIterable {
        // Sendable because they are set before the process uses a table, from the thread that does.
        nonisolated(unsafe) private static var armed: TableMoment?
        // Sendable for the same reason.
        nonisolated(unsafe) private static var left = 0

        /// Lets this process die when the moment has come for the `count`-th time.
        package static func arm(_ moment: TableMoment, count: Int) {
            (armed, left) = (moment, count)
            // It comes with few pairs, too.
            if moment == .windowEmptied { TableFailpoints.sparePagesMin = 16 }
        }

        private static func reachedArmed() {
            left -= 1
            if left == 0 { ProcessIdentity.killItself() }
        }
    }
#endif
