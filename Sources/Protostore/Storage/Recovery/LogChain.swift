/// Which commits of a log count, and where the log ends: a decision over what was
/// found, without reading anything.
///
/// Segments come in the order of their uses, which is the order in which the log
/// went through them. Commits are numbered without gap and name the checksum of the
/// one before.
///
/// Sealed segments are **freed** in any order, and with them their commits: between two
/// segments numbers may jump. They may where the segment behind says in its header that it
/// followed one that is not there; where its header is damaged, where the segment in front
/// is sealed. The first commit then stands at the segment's first place: one that stands
/// further behind has lost what was in front of it. A log's newest sealed segment is never
/// freed, so that its end is always to be found.
///
/// What is **required** must be there: up to where the superblock says that the log
/// was when the store was closed or opened, up to the last commit of each sealed
/// segment, and up to what any valid commit calls flushed. A required commit that
/// is missing is a loss; one whose records are damaged is a commit all the same.
///
/// Beyond what is required the log **ends** before the first commit that is
/// missing, not whole, or does not follow the one before. What stands behind was not
/// on stable storage, so that with `--sync always` nobody was told that it is: the one
/// exception is damage in the log's very last commit, which looks the same. A log whose
/// store was closed ends where the superblock says.
///
/// A commit of an older segment whose number a newer segment uses again was behind
/// such an end already, at an earlier opening; so was one behind a sealed segment's
/// last commit.
package struct LogChain: Equatable, Sendable {
    /// What counts of a commit.
    package struct Commit: Equatable, Sendable {
        package var reference: CommitReference
        package var previousChecksum: UInt64
        package var flushedNumber: UInt64
        /// All its records are valid.
        package var isWhole: Bool
        /// It stands at the first place of its segment.
        package var isFirst: Bool

        package init(
            reference: CommitReference, previousChecksum: UInt64, flushedNumber: UInt64, isWhole: Bool,
            isFirst: Bool = false
        ) {
            self.reference = reference
            self.previousChecksum = previousChecksum
            self.flushedNumber = flushedNumber
            self.isWhole = isWhole
            self.isFirst = isFirst
        }
    }

    package struct Segment: Equatable, Sendable {
        package var use: UInt64
        /// Of the log's segment before, 0 for none; nil where the header is damaged.
        package var previousUse: UInt64?
        /// A sealed segment's last commit.
        package var sealed: CommitReference?
        /// It is sealed, and has no commit.
        package var isEmpty: Bool
        /// In order of place; nil where it was not looked for them.
        package var commits: [Commit]?

        package init(
            use: UInt64, previousUse: UInt64?, sealed: CommitReference?, isEmpty: Bool = false, commits: [Commit]?
        ) {
            self.use = use
            self.previousUse = previousUse
            self.sealed = sealed
            self.isEmpty = isEmpty
            self.commits = commits
        }
    }

    /// The last commit of the log. Its checksum is 0 where it was lost.
    package private(set) var end = CommitReference.none
    /// Commits up to this number must be there.
    package private(set) var required: UInt64 = 0
    /// For each segment, which of its commits count.
    package private(set) var accepted: [Range<Int>] = []
    /// For each segment, where the log was behind it: what its footer is to say.
    package private(set) var ends: [CommitReference] = []
    /// The position of the segment with the last accepted commit, or 0.
    package private(set) var endSegment = 0
    /// Required commits of which no directory was found.
    package private(set) var missing: [ClosedRange<UInt64>] = []
    /// Accepted commits that do not name the checksum of the one before, or are not
    /// the one that the superblock names.
    package private(set) var broken: [UInt64] = []
    /// For each segment, whether segments in front of it may have been freed.
    package private(set) var followsFreed: [Bool] = []
    /// Commits that were found, and not accepted, behind the end.
    package private(set) var tornCount = 0
    /// The log ends before a commit that was found.
    private var hasEnded = false
    private let limit: UInt64

    /// - Parameters:
    ///   - segments: all of the log, in ascending order of use.
    ///   - emptyUses: of segments of the log that were opened and hold nothing.
    ///   - known: where the log was when the store was closed, or last opened.
    package init(
        _ segments: [Segment], emptyUses: Set<UInt64> = [], known: CommitReference, isClosed: Bool
    ) {
        limit = isClosed ? known.number : .max
        required = isClosed ? known.number : Self.required(segments, known)
        let lasts = Self.lastNumbers(segments)
        let uses = emptyUses.union(segments.map(\.use))
        for (position, segment) in segments.enumerated() {
            let before = position > 0 ? segments[position - 1] : nil
            followsFreed.append(
                segment.previousUse.map { $0 != 0 && !uses.contains($0) } ?? (before == nil || before?.sealed != nil))
            accept(segment, position, through: lasts[position])
            accept(sealedEndOf: segment, position)
            ends.append(end)
        }
        lose(upTo: required, known)
    }

    private static func required(_ segments: [Segment], _ known: CommitReference) -> UInt64 {
        if PlantedBug.isPlanted(.cutOffBehindRot) { return 0 }
        return segments.reduce(known.number) { highest, segment in
            let flushed = (segment.commits ?? []).reduce(0) { max($0, $1.flushedNumber) }
            return max(highest, flushed, segment.sealed?.number ?? 0)
        }
    }

    /// For each segment the highest number that a commit in it can have: none that
    /// a later segment uses, and none behind what its footer says.
    private static func lastNumbers(_ segments: [Segment]) -> [UInt64] {
        var later = UInt64.max
        return segments.reversed().map { segment in
            let last = min(later - 1, segment.sealed?.number ?? .max)
            let numbers = (segment.commits ?? []).map(\.reference.number)
            // Numbers start from 1.
            later = numbers.filter { $0 <= last }.min() ?? later
            return last
        }.reversed()
    }

    // MARK: Walking along the log

    private mutating func accept(_ segment: Segment, _ position: Int, through last: UInt64) {
        var count = 0
        for commit in segment.commits ?? [] {
            let number = commit.reference.number
            let mayJump = followsFreed[position] && count == 0
            guard !hasEnded, number <= last, number <= limit, follows(commit, mayJump: mayJump) else {
                tornCount += 1
                // Where an older segment's torn end was, the newer ones go on.
                if number <= last { hasEnded = true }
                continue
            }
            end = commit.reference
            endSegment = position
            count += 1
        }
        accepted.append(0..<count)
    }

    /// Whether the log goes on with `commit`; notes what it has lost before.
    /// - Parameter mayJump: what was in front of it may have been freed.
    private mutating func follows(_ commit: Commit, mayJump: Bool) -> Bool {
        let number = commit.reference.number
        // Only damage could make numbers fall within what a segment holds.
        guard number > end.number else { return false }
        let isNext = number == end.number + 1
        let isBehindFreed = !isNext && mayJump && commit.isFirst
        let isLinked = isBehindFreed || isNext && (end.checksum == 0 || commit.previousChecksum == end.checksum)
        // The first that is not required follows the last that is, be it lost.
        let isNextOfLost = end.number < required && number == required + 1
        let isWhole = commit.isWhole || PlantedBug.isPlanted(.believeTornCommit)
        if number > required, !isWhole || !(isLinked || isNextOfLost) { return false }
        if isBehindFreed { return true }
        if !isNext {
            missing.append((mayJump ? number - 1 : end.number + 1)...number - 1)
        } else if !isLinked, end.number > 0 {
            broken.append(number)
        }
        return true
    }

    private mutating func accept(sealedEndOf segment: Segment, _ position: Int) {
        guard let sealed = segment.sealed, sealed.number > end.number else { return }
        let mayJump = followsFreed[position] && accepted[position].isEmpty
        if segment.commits != nil, !(mayJump && segment.isEmpty) {
            missing.append((mayJump ? sealed.number : end.number + 1)...sealed.number)
        }
        end = sealed
    }

    /// What is required and did not turn up until the end.
    private mutating func lose(upTo required: UInt64, _ known: CommitReference) {
        guard end.number < required else {
            if end.number == known.number, end.checksum != known.checksum, end.number > 0 { broken.append(end.number) }
            return
        }
        missing.append(end.number + 1...required)
        end = CommitReference(number: required, checksum: known.number == required ? known.checksum : 0)
        if !ends.isEmpty { ends[ends.count - 1] = end }
    }
}
