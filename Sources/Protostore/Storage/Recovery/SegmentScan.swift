/// What the bytes of one segment say, whatever has happened to them.
///
/// DESIGN: a pure function, used when a store is opened and when it is checked. It
/// decides nothing that needs another segment: whether the numbers of a log follow
/// each other, or whether what is missing was ever acknowledged, is for the caller.
///
/// ```
/// header valid      its use counts; commits are looked for where it says that there are some
/// header damaged    the highest use above the floor that a valid footer or directory names
///                   counts, and whatever is there is taken: commits where there are any, else records
/// ```
///
/// What earlier uses of the segment left behind is never taken for this one's, and
/// no damage either: the segment map has the use up to which it is dead.
///
/// LEFT OUT: values. Directories are verified here; whether the records of a
/// commit are whole is `CommitDirectory.damagedRecords`, and records without
/// commits are found by ``RecordScan``.
package struct SegmentScan: Sendable {
    package let segment: Int
    /// Nil where it is damaged, of another store, or was never written.
    package let header: SegmentHeader?
    /// Nil where the segment is not sealed, or the footer is damaged.
    package let footer: SegmentFooter?
    /// Nil where nobody says it. No record can be verified then.
    package let use: UInt64?
    /// What the segment holds, as far as that is known.
    package let content: SegmentHeader.Content?
    /// In the order of their places.
    package let commits: [FoundCommit]
    /// Lost commits, in the order of their places.
    package let gaps: [CommitGap]
    /// Where the last commit ends, in bytes from the segment's start; where the first would begin, if there is none.
    package let end: Int
    /// Where the last directory of the segment's use ends, whether its commit was taken or not.
    package let directoriesEnd: Int
    /// Never used: the header's sector is zeros, and there is nothing else.
    package let isBlank: Bool
    package let damage: [Damage]

    package enum Damage: Equatable, Sendable {
        case header
        /// The last block is neither zeros nor a footer of any use. While the segment
        /// was being sealed this is what a power cut leaves. Not noted where it could be
        /// what an earlier use has left.
        case footer
        /// Of the commit with this number, at this offset in the segment. The other copy is valid.
        case directory(CommitDirectory.Copy, number: UInt64, offset: Int)
    }

    package var isSealed: Bool { footer != nil }

    /// - Parameters:
    ///   - bytes: of the whole segment, `layout.segmentBytes`.
    ///   - segment: its number.
    ///   - superblock: of the store.
    ///   - entry: what the segment map says of it; nil where that is not known.
    /// - Complexity: O(bytes) at worst: two looks at each block, and one checksum of
    ///   each directory that there is.
    package init(
        _ bytes: UnsafeRawBufferPointer, segment: Int, superblock: Superblock, entry: SegmentMap.Entry? = nil
    ) {
        let layout = superblock.layout
        precondition(bytes.count == layout.segmentBytes)
        let place = SegmentPlace(
            bytes: bytes, offset: layout.segmentOffset(segment), layout: layout, hashSeed: superblock.hashSeed)
        let floor = entry?.floor ?? 0
        let header = place.header.flatMap { header in
            let isOurs = header.segment == UInt64(segment) && header.storeID == superblock.storeID
            return isOurs && entry?.admits(header) ?? true ? header : nil
        }
        let anyFooter = place.footer.flatMap { $0.segment == UInt64(segment) ? $0 : nil }
        let newerFooter = anyFooter.flatMap { $0.use > floor ? $0 : nil }
        var walk = CommitWalk(place)
        let mayHoldCommits = header.map { $0.content == .commits } ?? (entry?.state != .sealed)
        let identity: LogUse?
        if let header {
            identity = header.content == .ready ? nil : LogUse(use: header.use, log: header.log)
        } else {
            identity = Self.newest(mayHoldCommits ? walk.latestUse(above: floor) : nil, newerFooter)
        }
        let footer = newerFooter.flatMap { $0.use == identity?.use ? $0 : nil }
        if let identity, mayHoldCommits { walk.run(identity, footer) }

        self.segment = segment
        self.header = header
        self.footer = footer
        use = identity?.use
        commits = walk.commits
        gaps = walk.gaps
        end = walk.end
        directoriesEnd = max(walk.commits.last?.header.end ?? DatafileLayout.blockBytes, walk.directoriesEnd)
        content = header?.content ?? Self.content(entry, commits: walk.commits.count + walk.gaps.count, footer)
        let isFooterDamaged = anyFooter == nil && !place.isLastBlockZeros && floor == 0
        isBlank = header == nil && place.isHeaderZeros && identity == nil && !isFooterDamaged
        damage = (header == nil && !isBlank ? [.header] : []) + (isFooterDamaged ? [.footer] : []) + walk.damage
    }

    /// Uses are numbered in the order in which they begin.
    private static func newest(_ commits: LogUse?, _ footer: SegmentFooter?) -> LogUse? {
        guard let footer, footer.use > commits?.use ?? 0 else { return commits }
        return LogUse(use: footer.use, log: nil)
    }

    private static func content(
        _ entry: SegmentMap.Entry?, commits: Int, _ footer: SegmentFooter?
    ) -> SegmentHeader.Content? {
        if commits > 0 || entry?.state == .log && footer != nil { return .commits }
        return footer.map { $0.lastCommit == .none ? .bulk : .commits }
    }
}

/// A commit of which at least one copy of the directory is valid.
package struct FoundCommit: Sendable {
    package let directory: CommitDirectory
    package internal(set) var isFirstCopyValid: Bool
    package internal(set) var isSecondCopyValid: Bool

    package var header: CommitHeader { directory.header }
}

/// Where commits must have been of which no copy of a directory is left.
package struct CommitGap: Equatable, Sendable {
    /// From the segment's start.
    package let bytes: Range<Int>
    /// Nil where the segment has no commit before the gap: the log's segment before this one says it.
    package let firstNumber: UInt64?
    package let lastNumber: UInt64
}

/// Whose directories are looked for.
struct LogUse {
    var use: UInt64
    /// Nil where it is not known.
    var log: UInt32?
}

/// A segment's bytes and where they stand in the datafile.
struct SegmentPlace {
    let bytes: UnsafeRawBufferPointer
    /// In the datafile.
    let offset: Int
    let layout: DatafileLayout
    let hashSeed: UInt64

    var header: SegmentHeader? { SegmentHeader(headerSector, segmentOffset: offset) }
    var footer: SegmentFooter? { SegmentFooter(lastBlock, segmentOffset: offset, layout: layout) }
    var isHeaderZeros: Bool { Self.isZeros(headerSector) }
    var isLastBlockZeros: Bool { Self.isZeros(lastBlock) }
    /// Where commits and records must have ended, whatever they say.
    var limit: Int { bytes.count - DatafileLayout.blockBytes }

    func directory(_ copy: CommitDirectory.Copy, at position: Int, use: UInt64?) -> CommitDirectory? {
        CommitDirectory(
            bytes, copy, at: position, use: use, segmentOffset: offset, layout: layout, hashSeed: hashSeed)
    }

    private var headerSector: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[..<SegmentHeader.byteCount])
    }

    private var lastBlock: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[limit...]) }

    private static func isZeros(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for offset in stride(from: 0, to: bytes.count, by: 8) where bytes.get(offset, as: UInt64.self) != 0 {
            return false
        }
        return true
    }
}
