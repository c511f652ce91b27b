/// Follows a log from commit to commit: numbers without gap but for segments that were
/// freed, each with the checksum of the one before.
struct LogCheck {
    private let log: Int
    /// The checksum is 0 where it is not known.
    private var last = CommitReference.none
    private var mayJump = false

    init(log: Int) {
        self.log = log
    }

    /// A segment begins.
    /// - Parameter followsFreed: what was in front of it may have been freed.
    mutating func enter(followsFreed: Bool) {
        mayJump = followsFreed
    }

    mutating func follow(_ commit: CommitHeader, _ report: inout CheckReport) {
        if mayJump, Int(commit.offset) == DatafileLayout.blockBytes, commit.number > last.number + 1 {
            last = CommitReference(number: commit.number - 1, checksum: 0)
        }
        mayJump = false
        if commit.number > last.number + 1 {
            report.add(.store(.commitsMissing(log: log, (last.number + 1)...(commit.number - 1))))
        } else if commit.number <= last.number || !isLinked(commit) {
            report.add(.store(.commitUnlinked(log: log, commit.number)))
        }
        if commit.flushedNumber >= commit.number { report.add(.flushedNumber(log: log, number: commit.number)) }
        last = commit.reference
    }

    private func isLinked(_ commit: CommitHeader) -> Bool {
        commit.previousChecksum == last.checksum || (last.number > 0 && last.checksum == 0)
    }

    /// Commits up to this number have no directory any more.
    mutating func skip(to number: UInt64) {
        last = CommitReference(number: max(number, last.number), checksum: 0)
    }

    /// - Parameter isComplete: all commits of the segment were found.
    mutating func end(of segment: Int, _ footer: SegmentFooter, isComplete: Bool, _ report: inout CheckReport) {
        // One without commits says where the log was, behind segments that were freed as well.
        if mayJump, isComplete, footer.lastCommit.number > last.number { last = footer.lastCommit }
        if isComplete, footer.lastCommit != last, footer.lastCommit.number != last.number || last.checksum != 0 {
            report.add(.footerFields(segment: segment))
        }
        if footer.lastCommit.number >= last.number { last = footer.lastCommit }
    }
}
