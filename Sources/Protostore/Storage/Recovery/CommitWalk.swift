/// Finds the commits of one use of a segment, one behind the other.
///
/// ```
/// position: first copy valid                     -> a commit; on behind its end
///           else look at everything behind:
///           a second copy of a commit at position -> that commit; on behind its end
///           a copy of a commit further behind     -> what is between is lost; on with that one
///           none                                  -> the end
/// ```
///
/// The look at everything behind happens once, at the first position without a
/// valid first copy; for a segment that is whole that is its end. From there on
/// the walk goes along the directories that were found, in the order of their
/// places. What lies within a commit that was taken is never a commit, whatever a
/// value pretends to be.
///
/// A sealed segment's commits end where its footer says: behind it there may be one
/// that was torn, and dropped when the segment was sealed.
struct CommitWalk {
    private let place: SegmentPlace
    private var log = LogUse(use: 0, log: nil)
    private(set) var commits: [FoundCommit] = []
    private(set) var gaps: [CommitGap] = []
    private(set) var damage: [SegmentScan.Damage] = []
    /// Where the next commit would begin.
    private(set) var end = DatafileLayout.blockBytes
    /// Where the last directory ends that was looked at without being believed.
    private(set) var directoriesEnd = DatafileLayout.blockBytes

    init(_ place: SegmentPlace) {
        self.place = place
    }

    /// The highest use above `floor` that any directory in the segment names, and its log.
    func latestUse(above floor: UInt64) -> LogUse? {
        var latest: LogUse?
        forEachDirectory(behind: 0, limit: place.limit, use: nil) { directory, _ in
            guard directory.header.use > latest?.use ?? floor else { return }
            latest = LogUse(use: directory.header.use, log: directory.header.log)
        }
        return latest
    }

    /// - Parameter footer: of this use, where the segment is sealed.
    mutating func run(_ log: LogUse, _ footer: SegmentFooter?) {
        self.log = log
        let limit = footer.map { Int($0.recordsEnd) } ?? place.limit
        while let directory = directory(.first, at: end, limit: limit) {
            take(FoundCommit(directory: directory, isFirstCopyValid: true, isSecondCopyValid: isSecondCopyValid(directory)))
        }
        for commit in commitsFromHere(limit: limit) where follows(commit) {
            if commit.header.offset > end { noteGap(until: Int(commit.header.offset), commit.header.number - 1) }
            take(commit)
        }
        if let footer, end < limit, footer.lastCommit.number > commits.last?.header.number ?? 0 {
            noteGap(until: limit, footer.lastCommit.number)
            end = limit
        }
    }

    private func follows(_ commit: FoundCommit) -> Bool {
        commit.header.offset >= end && commit.header.number > commits.last?.header.number ?? 0
    }

    private mutating func take(_ commit: FoundCommit) {
        let header = commit.header
        if !commit.isFirstCopyValid {
            damage.append(.directory(.first, number: header.number, offset: Int(header.offset)))
        }
        if !commit.isSecondCopyValid {
            damage.append(.directory(.second, number: header.number, offset: Int(header.offset)))
        }
        commits.append(commit)
        end = header.end
    }

    private mutating func noteGap(until offset: Int, _ lastNumber: UInt64) {
        // A number that ends a log of 2^64 commits has no successor.
        gaps.append(
            CommitGap(bytes: end..<offset, firstNumber: commits.last.map { $0.header.number &+ 1 }, lastNumber: lastNumber))
    }

    // MARK: Directories

    private func directory(_ copy: CommitDirectory.Copy, at position: Int, limit: Int) -> CommitDirectory? {
        place.directory(copy, at: position, use: log.use).flatMap { isOurs($0.header, limit: limit) ? $0 : nil }
    }

    private func isOurs(_ header: CommitHeader, limit: Int) -> Bool {
        header.end <= limit && (log.log == nil || header.log == log.log)
    }

    private func isSecondCopyValid(_ directory: CommitDirectory) -> Bool {
        directory.isStanding(
            in: place.bytes, .second, segmentOffset: place.offset, hashSeed: place.hashSeed)
    }

    /// What a damaged first copy hides: all commits that begin here or behind, sorted by place.
    private mutating func commitsFromHere(limit: Int) -> [FoundCommit] {
        var found: [FoundCommit] = []
        var directoriesEnd = directoriesEnd
        forEachDirectory(behind: end, limit: limit, use: log.use) { directory, copy in
            directoriesEnd = max(directoriesEnd, directory.header.end)
            guard isOurs(directory.header, limit: limit), Int(directory.header.offset) >= end else { return }
            found.append(
                FoundCommit(
                    directory: directory, isFirstCopyValid: copy == .first, isSecondCopyValid: copy == .second))
        }
        self.directoriesEnd = directoriesEnd
        found.sort { first, second in
            if first.header.offset != second.header.offset { return first.header.offset < second.header.offset }
            return first.isFirstCopyValid && !second.isFirstCopyValid
        }
        return Self.merged(found)
    }

    /// Joins the copies of each commit. Of two that differ, the first copy counts.
    private static func merged(_ sorted: [FoundCommit]) -> [FoundCommit] {
        var merged: [FoundCommit] = []
        for commit in sorted {
            guard let last = merged.last, last.header.offset == commit.header.offset else {
                merged.append(commit)
                continue
            }
            if last.header == commit.header, commit.isSecondCopyValid { merged[merged.count - 1].isSecondCopyValid = true }
        }
        return merged
    }

    /// Calls `body` with every valid copy of a directory that begins or ends at a block behind `position`.
    private func forEachDirectory(
        behind position: Int, limit: Int, use: UInt64?, _ body: (CommitDirectory, CommitDirectory.Copy) -> Void
    ) {
        for block in stride(from: position + DatafileLayout.blockBytes, through: limit, by: DatafileLayout.blockBytes) {
            for copy in CommitDirectory.Copy.allCases {
                if let directory = place.directory(copy, at: block, use: use) { body(directory, copy) }
            }
        }
    }
}
