/// What of one segment can be written again, as one reading of it says: a decision,
/// nothing is written here.
struct SegmentRepair {
    /// Of a damaged copy of a directory, whose other copy is valid.
    struct DirectoryCopy {
        let copy: CommitDirectory.Copy
        let header: CommitHeader
        let image: CommitDirectory.CopyImage
    }

    let header: SegmentHeader?
    let copies: [DirectoryCopy]
    let summary: SummaryRestoration?

    var isEmpty: Bool { header == nil && copies.isEmpty && summary == nil }

    /// - Parameters:
    ///   - segment: sealed or unsealed, as `examination` understands it.
    ///   - bytes: all of it.
    init(
        _ segment: RecoveredSegment, _ bytes: UnsafeRawBufferPointer, _ examination: StoreExamination, acceptsLoss: Bool
    ) {
        let superblock = examination.superblock
        let scan = SegmentScan(
            bytes, segment: segment.number, superblock: superblock, entry: examination.map[segment.number])
        guard scan.use == segment.use else {
            (header, copies, summary) = (nil, [], nil)
            return
        }
        header = scan.header == nil && segment.isHeaderDamaged ? examination.header(of: segment) : nil
        copies = Self.copies(segment, scan, bytes, examination)
        let search = RecordSearch(bytes: bytes, segment: segment.number, use: segment.use, superblock: superblock)
        if let footer = segment.footer {
            summary = SegmentSummary(segment: bytes, footer: footer) == nil
                ? SummaryRestoration(footer, search, scan, content: segment.content) : nil
        } else if segment.content != .commits {
            summary = SummaryRestoration(search)
        } else if examination.mustSeal(segment, isFooterDamaged: scan.damage.contains(.footer), acceptsLoss: acceptsLoss) {
            summary = SummaryRestoration(segment, ofLogIn: examination, search)
        } else {
            summary = nil
        }
    }

    private init(header: SegmentHeader?, copies: [DirectoryCopy], summary: SummaryRestoration?) {
        self.header = header
        self.copies = copies
        self.summary = summary
    }

    /// What two readings say that needs to be done: what the second one still finds
    /// damaged, with the records that either of them finds.
    func confirmed(by second: SegmentRepair) -> SegmentRepair {
        let mine = summary
        return SegmentRepair(
            header: second.header, copies: second.copies,
            summary: second.summary.flatMap { other in mine.map { $0.joined(with: other) } })
    }

    private static func copies(
        _ segment: RecoveredSegment, _ scan: SegmentScan, _ bytes: UnsafeRawBufferPointer, _ examination: StoreExamination
    ) -> [DirectoryCopy] {
        guard segment.content == .commits else { return [] }
        let accepted = examination.acceptedCommits(of: segment).map(\.header.number)
        let counting = segment.footer == nil ? Set(accepted) : nil
        let superblock = examination.superblock
        let offset = superblock.layout.segmentOffset(segment.number)
        return scan.commits.flatMap { commit -> [DirectoryCopy] in
            guard counting?.contains(commit.header.number) ?? true else { return [] }
            let damaged: [CommitDirectory.Copy] =
                (commit.isFirstCopyValid ? [] : [.first]) + (commit.isSecondCopyValid ? [] : [.second])
            guard damaged.count == 1 else { return [] }
            return damaged.compactMap { copy in
                commit.directory.image(
                    of: copy, in: bytes, segmentOffset: offset, layout: superblock.layout, hashSeed: superblock.hashSeed
                ).map { DirectoryCopy(copy: copy, header: commit.header, image: $0) }
            }
        }
    }
}

extension StoreExamination {
    /// The header of a segment that has lost it; nil where nothing says whose commits it has.
    fileprivate func header(of segment: RecoveredSegment) -> SegmentHeader? {
        guard segment.content != .commits || !segment.commits.isEmpty else { return nil }
        var header = SegmentHeader(
            segment: UInt64(segment.number), use: segment.use, storeID: superblock.storeID, openedMilliseconds: 0)
        header.log = UInt32(segment.log)
        header.content = segment.content
        header.previousUse = previousUse(of: segment)
        return header
    }

    /// What the header of a log's segment is to name as the use before it, so that numbers
    /// may jump in front of it exactly where they were taken to have been freed without it.
    private func previousUse(of segment: RecoveredSegment) -> UInt64 {
        guard segment.isOfLog, let position = logs[segment.log].segments.firstIndex(of: segment.number) else { return 0 }
        let log = logs[segment.log]
        let before = position > 0 ? log.segments[position - 1] : nil
        let number = position > 0 ? log.chain.ends[position - 1].number : 0
        let isNext = acceptedCommits(of: segment).first.map { $0.header.number == number &+ 1 } ?? false
        guard log.chain.followsFreed[position], !isNext else { return before.map { segments[$0].use } ?? 0 }
        // A use that no segment of the log has, and none will: uses are given out in ascending order.
        let uses = Set(segments.filter { $0.log == segment.log }.map(\.use))
        var use = max(1, segment.use) - 1
        while use > 0, uses.contains(use) { use -= 1 }
        return use
    }

    /// Whether a log's segment without footer is to get one before the log goes on.
    fileprivate func mustSeal(_ segment: RecoveredSegment, isFooterDamaged: Bool, acceptsLoss: Bool) -> Bool {
        guard segment.isOfLog else { return false }
        let log = logs[segment.log]
        guard log.chain.missing.isEmpty else { return acceptsLoss }
        // Of a store that was not closed, an opening seals all.
        return superblock.state == .closed && (log.segments.last != segment.number || isFooterDamaged)
    }
}
