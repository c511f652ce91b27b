/// Holds the bytes of one segment against everything that is said of them.
///
/// Each record is looked at as its commit's directory and as the segment's summary
/// describe it; what both find damaged is one finding.
struct SegmentCheck {
    private let segment: RecoveredSegment
    private let bytes: UnsafeRawBufferPointer
    private let scan: SegmentScan
    private let superblock: Superblock

    private var layout: DatafileLayout { superblock.layout }
    /// In the datafile.
    private var offset: Int { layout.segmentOffset(segment.number) }

    /// - Parameters:
    ///   - segment: as the store's examination understands it.
    ///   - bytes: all of it.
    ///   - entry: what the segment map says of it.
    init(
        _ segment: RecoveredSegment, _ bytes: UnsafeRawBufferPointer, _ superblock: Superblock,
        _ entry: SegmentMap.Entry?
    ) {
        self.segment = segment
        self.bytes = bytes
        self.superblock = superblock
        scan = SegmentScan(bytes, segment: segment.number, superblock: superblock, entry: entry)
    }

    /// - Parameters:
    ///   - log: where the segment's log is before it; nil for segments without one.
    ///   - accepted: the numbers of those of its commits that count, where it is not sealed.
    ///   - mustBeSealed: that it is not is damage.
    func run(_ report: inout CheckReport, log: inout LogCheck?, accepted: ClosedRange<UInt64>?, mustBeSealed: Bool) {
        switch segment.state {
        case .free, .ready, .abandoned, .discarded:
            report.counts.freeSegments += 1
        case .missing, .unknown:
            report.counts.lostSegments += 1
        case .sealed(let footer):
            report.counts.sealedSegments += 1
            let damaged = checkCommits(&report, &log) { _ in true }
            log?.end(of: segment.number, footer, isComplete: scan.gaps.isEmpty && scan.end == Int(footer.recordsEnd), &report)
            checkSummary(footer, damaged, &report)
        case .unsealed:
            report.counts.openSegments += 1
            if scan.damage.contains(.footer) || mustBeSealed {
                report.add(.footer(segment: segment.number, isClosed: superblock.state == .closed))
            }
            _ = checkCommits(&report, &log) { accepted?.contains($0.number) ?? false }
            if segment.content != .commits { checkRecords(until: bytes.count - DatafileLayout.blockBytes, &report) }
        }
    }

    // MARK: Commits

    /// - Returns: the offsets of their damaged records, in the segment.
    private func checkCommits(
        _ report: inout CheckReport, _ log: inout LogCheck?, _ counts: (CommitHeader) -> Bool
    ) -> Set<Int> {
        var damaged: Set<Int> = []
        var gaps = scan.gaps[...]
        for commit in scan.commits where counts(commit.header) {
            while let gap = gaps.first, gap.bytes.lowerBound < Int(commit.header.offset) { checkGap(gaps.removeFirst(), &report, &log) }
            report.counts.commits += 1
            log?.follow(commit.header, &report)
            checkCopies(of: commit, &report)
            let records = commit.directory.damagedRecords(
                in: bytes, segmentOffset: offset, layout: layout, hashSeed: superblock.hashSeed)
            for record in records {
                damaged.insert(record.offset)
                report.add(.record(segment: segment.number, offset: offset + record.offset, record.what))
            }
            if segment.footer == nil { commit.directory.entries.forEach { count($0.kind, $0.recordBytes, &report) } }
        }
        if segment.footer != nil { gaps.forEach { checkGap($0, &report, &log) } }
        return damaged
    }

    private func checkGap(_ gap: CommitGap, _ report: inout CheckReport, _ log: inout LogCheck?) {
        log?.skip(to: gap.lastNumber)
        report.add(
            .directories(
                segment: segment.number, offset: offset + gap.bytes.lowerBound, byteCount: gap.bytes.count,
                lastNumber: gap.lastNumber))
    }

    private func checkCopies(of commit: FoundCommit, _ report: inout CheckReport) {
        let valid = [(CommitDirectory.Copy.first, commit.isFirstCopyValid), (.second, commit.isSecondCopyValid)]
        for (copy, isValid) in valid where !isValid {
            report.add(
                .directoryCopy(
                    copy, log: Int(commit.header.log), number: commit.header.number,
                    offset: offset + Int(commit.header.offset)))
        }
    }

    // MARK: Records

    /// - Parameter damaged: the offsets of records that are known to be damaged.
    private func checkSummary(_ footer: SegmentFooter, _ damaged: Set<Int>, _ report: inout CheckReport) {
        guard let summary = SegmentSummary(segment: bytes, footer: footer) else {
            report.add(.summary(segment: segment.number))
            return checkRecords(until: Int(footer.recordsEnd), &report)
        }
        var totals = SegmentFooter(segment: footer.segment, use: footer.use)
        for number in 0..<summary.count {
            guard let entry = summary.entry(number, layout: layout) else {
                report.add(.summaryEntry(segment: segment.number, number: number))
                continue
            }
            count(entry.kind, entry.recordBytes, &report)
            totals.note(entry)
            guard let damage = damage(of: entry, use: footer.use), !damaged.contains(Int(entry.offset)) else { continue }
            report.add(
                damage == .mismatch
                    ? .summaryEntry(segment: segment.number, number: number)
                    : .record(segment: segment.number, offset: offset + Int(entry.offset), damage))
        }
        if !totals.hasTotals(of: footer) { report.add(.footerFields(segment: segment.number)) }
    }

    private func damage(of entry: SummaryEntry, use: UInt64) -> RecordDamage? {
        let start = Int(entry.offset)
        // Within the segment's records: the summary has seen to it.
        let record = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + Int(entry.recordBytes))])
        let seed = Record.checksumSeed(use: use, offset: UInt64(offset + start))
        guard let header = Record.decodeHeader(record, bytesMax: record.count, seed: seed) else { return .header }
        let hash = Record.hash(of: record, header, hashSeed: superblock.hashSeed)
        guard SummaryEntry(hash: hash, header: header, offset: entry.offset) == entry else { return .mismatch }
        return Record.verifiedValue(record, header: header, seed: seed) == nil ? .value : nil
    }

    /// Where no summary says which records there must be.
    private func checkRecords(until end: Int, _ report: inout CheckReport) {
        let found = RecordScan(
            bytes, in: DatafileLayout.blockBytes..<end, use: segment.use, segmentOffset: offset, layout: layout,
            hashSeed: superblock.hashSeed)
        for record in found.records {
            count(record.header.kind, UInt32(record.header.byteCount), &report)
            guard let damage = record.damage else { continue }
            report.add(.record(segment: segment.number, offset: offset + record.offset, damage))
        }
        guard segment.content != .commits else { return }
        let trailing = segment.footer != nil && found.end < end ? [found.end..<end] : []
        for gap in found.gaps + trailing {
            report.add(.lostRecords(segment: segment.number, offset: offset + gap.lowerBound, byteCount: gap.count))
        }
    }

    private func count(_ kind: Record.Kind, _ recordBytes: UInt32, _ report: inout CheckReport) {
        if kind == .put { report.counts.puts += 1 } else { report.counts.deletes += 1 }
        report.counts.recordBytes += Int(recordBytes)
    }
}

extension SegmentFooter {
    fileprivate func hasTotals(of other: SegmentFooter) -> Bool {
        sequenceMin == other.sequenceMin && sequenceMax == other.sequenceMax
            && earliestExpiryMilliseconds == other.earliestExpiryMilliseconds && putBytes == other.putBytes
            && putSlotBytes == other.putSlotBytes && deleteBytes == other.deleteBytes
    }
}
