#if DEBUG
import Glibc
import Synchronization
#endif

/// A moment at which a test ends the process as `kill -9` would, to see what it leaves.
///
/// `PROTOSTORE_FAILPOINT=afterCommitDurable:3` kills when the moment is reached for the
/// third time. Debug programs only: in others a moment is an empty call.
///
/// A kill loses nothing that was handed to the kernel; what a power cut loses is the
/// simulated disk's to show. What a kill shows is whether each state between two writes
/// is one that the next start understands, with the index that the process leaves in
/// shared memory.
package enum Failpoint {
    // Creation.
    case afterCreationGrow
    // The superblock, whoever writes it: creation, opening, segment maker, closing.
    case beforeSuperblockWrite
    case afterFirstSuperblockCopy
    case afterSecondSuperblockCopy
    // The segment map, whoever writes it: opening, segment maker.
    case afterFirstMapCopy
    case afterSecondMapCopy
    // A log takes a segment.
    case beforeHeaderWrite
    case afterHeaderDurable
    // A commit.
    case beforeCommitWrite
    case afterCommitSubmitted
    case afterCommitDurable
    case betweenSlots
    case afterSlots
    case afterApplied
    case beforeFlush
    case afterFlush
    // A segment is sealed.
    case beforeSummaryWrite
    case afterSummaryDurable
    // The datafile grows.
    case afterGrow
    case afterReadyMark
    case afterGrowFlush
    case afterSegmentCount
    // Compaction.
    case beforeCopyWrite
    case beforeCopyFlush
    case afterCopyFlush
    case beforeCopiesMarked
    case afterCopiesMarked
    case betweenMoves
    case beforeFree
    case afterFree
    // Opening.
    case afterReplay
    case afterRebuild
    case afterIndexLoad
    case afterOpeningFlush
    case afterOpeningSummaries
    case betweenOpeningFooters
    case afterOpeningSeals
    case beforeLiveIndex
    case afterLiveIndex
    // Closing.
    case afterClosingFlush
    case afterIndexWrite
    case afterIndexSaved
    case afterClosedSuperblock

    /// Says that the moment has come.
    @inline(__always)
    package static func reached(_ moment: Failpoint) {
        #if DEBUG
        armed?.reached(moment)
        #endif
    }
}

#if DEBUG
extension Failpoint: CaseIterable, Sendable {
    private static let armed = Armed(getenv("PROTOSTORE_FAILPOINT").map { String(cString: $0) } ?? "")

    /// The moment that is waited for.
    private final class Armed: Sendable {
        private let moment: Failpoint
        /// Relaxed: each moment's threads count for themselves, and whoever gets to 0 kills.
        private let left: Atomic<Int>

        /// Nil where `text` names no moment.
        init?(_ text: String) {
            let words = text.split(separator: ":")
            guard let name = words.first, let moment = Failpoint.allCases.first(where: { "\($0)" == name }) else {
                return nil
            }
            self.moment = moment
            left = Atomic(words.count > 1 ? Int(words[1]) ?? 1 : 1)
        }

        func reached(_ other: Failpoint) {
            guard other == moment, left.subtract(1, ordering: .relaxed).newValue == 0 else { return }
            kill(getpid(), SIGKILL)
        }
    }
}
#endif
