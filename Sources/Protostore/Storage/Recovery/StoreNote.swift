/// What an opening has to say about the state of a store.
package enum StoreNote: Equatable, Sendable, CustomStringConvertible {
    case superblockCopy(Int)
    /// One copy of a block of the segment map.
    case mapCopy(block: Int, copy: Int)
    /// Both copies: what these segments are for is taken from what they hold, and freed ones
    /// may show what was deleted.
    case mapLost(segments: ClosedRange<Int>)
    case segmentMissing(Int)
    /// Nothing tells what the segment holds.
    case segmentUnknown(Int)
    /// Its use is known from elsewhere, so that its records are served.
    case segmentHeader(Int)
    case blocksUnreadable(segment: Int, ClosedRange<Int>)
    case commitsMissing(log: Int, ClosedRange<UInt64>)
    /// It does not name the commit before it.
    case commitUnlinked(log: Int, UInt64)
    /// So many of its records are damaged, or one copy of its directory.
    case commitDamaged(log: Int, UInt64, records: Int)
    /// Neither a summary nor directories say whether all of its records were found.
    case recordsUnknown(segment: Int)
    /// An unclean stop left so many commits, or parts of one, that no later commit calls
    /// flushed. With `--sync always` they were not acknowledged.
    case tornEnd(log: Int, after: UInt64, commits: Int)
    case segmentsSealed(Int)

    package enum Severity: Sendable {
        /// Nothing is wrong.
        case notice
        /// Something is damaged and nothing lost.
        case damage
        /// It is not known which keys are lost, except by an index of before.
        case lossWithoutIndex
        /// Acknowledged writes are lost, and later openings will not notice.
        case loss
    }

    package var severity: Severity {
        switch self {
        case .tornEnd, .segmentsSealed: .notice
        case .superblockCopy, .mapCopy, .segmentHeader, .commitUnlinked, .commitDamaged, .blocksUnreadable: .damage
        case .segmentMissing, .segmentUnknown, .recordsUnknown: .lossWithoutIndex
        case .commitsMissing, .mapLost: .loss
        }
    }

    package var description: String {
        switch self {
        case .superblockCopy(let number): "copy \(number + 1) of the superblock is damaged; it will be written again"
        case .mapCopy(let block, let copy):
            "copy \(copy + 1) of block \(block) of the segment map is damaged; it will be written again"
        case .mapLost(let segments):
            "both copies of the segment map are damaged where segments \(segments.lowerBound) to \(segments.upperBound) "
                + "are: which of them were freed is not known, so that deleted keys may show again"
        case .segmentMissing(let number): "segment \(number) is missing: the datafile ends before it"
        case .segmentUnknown(let number):
            "segment \(number) has neither a valid header nor anything that says what it holds: its records cannot be served"
        case .segmentHeader(let number): "the header of segment \(number) is damaged; its records are served"
        case .blocksUnreadable(let segment, let range):
            "segment \(segment): bytes \(range.lowerBound) to \(range.upperBound) cannot be read"
        case .commitsMissing(let log, let numbers):
            "log \(log): commits \(numbers.lowerBound) to \(numbers.upperBound) were on stable storage and are not there"
        case .commitUnlinked(let log, let number): "log \(log): commit \(number) does not follow the one before"
        case .commitDamaged(let log, let number, let records):
            "log \(log): commit \(number) is damaged, with \(records) of its records"
        case .recordsUnknown(let number):
            "the summary of segment \(number) is damaged: it may have held more records than were found"
        case .tornEnd(let log, let number, let commits):
            "log \(log) ends after commit \(number); what was written behind it was not on stable storage "
                + "(\(commits) commits or parts of one)"
        case .segmentsSealed(let count): "sealed \(count) segments that an unclean stop left open"
        }
    }
}
