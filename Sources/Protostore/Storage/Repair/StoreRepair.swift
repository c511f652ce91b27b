/// Makes what is damaged in a datafile good from what is left of it.
///
/// ```
/// superblock, map     the copies that are damaged, from the valid ones
/// headers             from footers and commits
/// directories         one copy from the other
/// summaries, footers  from directories and records                      (SummaryRestoration)
/// the rest            as after an unclean stop: opened and closed       (close)
/// ```
///
/// A record that is valid stays where it is and stays in the summary of its segment; one
/// that is damaged stays as it is, and its key is answered with an error. No block of a
/// record is written, but the one in which a commit's records end and the second copy
/// of its directory begins, and that one only with record bytes that were verified.
///
/// CRASHES. Only what does not count is overwritten, and what it is made from is
/// somewhere else and on stable storage; footers come when their summaries are. So a
/// crash leaves what was damaged damaged, or whole. The one exception is a footer that
/// has to say something else than before, since both a record and its entry in the
/// summary are damaged: a torn write leaves a segment that is not sealed.
///
/// What looks damaged is read a second time before anything is written. Where the
/// answer would decide that acknowledged writes are lost, nothing is written unless
/// losses are accepted: see ``undecided``.
package struct StoreRepair {
    package struct Options: Sendable {
        /// What is lost may be given up: later openings will not notice any more.
        package var acceptsLoss = false
        /// The time, milliseconds since 1970.
        package var wallMilliseconds: UInt64

        package init(wallMilliseconds: UInt64) {
            self.wallMilliseconds = wallMilliseconds
        }
    }

    package internal(set) var steps: [RepairStep] = []
    /// What keeps places as they are until losses are accepted.
    package internal(set) var undecided: [StoreNote] = []

    let path: String
    let options: Options

    /// - Parameter path: of the datafile, for messages.
    package init(path: String, _ options: Options) {
        self.path = path
        self.options = options
    }

    /// Writes again what can be written again; durable when it returns.
    /// - Parameters:
    ///   - datafile: of a store that nobody has open, writable.
    ///   - everySegment: gets the number of segments that are done, and of all; false stops the run.
    /// - Throws: ``StoreError`` where the store cannot be examined, and the error of the first
    ///   write or flush that fails. The repair may be run again.
    /// - Complexity: O(bytes of the datafile).
    package mutating func run<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, everySegment: (Int, Int) -> Bool = { _, _ in true }
    ) throws(StoreError) {
        var examination = try examine(datafile)
        let before = steps.count
        try repairFrame(examination, datafile)
        if steps.count > before { examination = try examine(datafile) }
        try repairSegments(examination, datafile, everySegment)
        if steps.count > before {
            do throws(SystemError) { try datafile.synchronize() } catch { throw .system(error) }
            examination = try examine(datafile)
        }
        guard !options.acceptsLoss else { return undecided = [] }
        undecided = examination.notes.filter(\.isOfLoss) + undecided.filter { !examination.notes.contains($0) }
    }

    private func examine<File: BlockFile & ~Copyable>(_ datafile: borrowing File) throws(StoreError) -> StoreExamination {
        let copies: Superblock.Copies
        do throws(Superblock.DecodeError) {
            copies = try Superblock.readCopies(of: datafile)
        } catch {
            throw .undecodable(path, error)
        }
        return try StoreExamination(datafile, copies, path: path, acceptsLoss: true)
    }

    // MARK: Superblock and map

    private mutating func repairFrame<File: BlockFile & ~Copyable>(
        _ examination: StoreExamination, _ datafile: borrowing File
    ) throws(StoreError) {
        let damaged = examination.copies.damaged
        let blocks = examination.map.blocks.indices.filter { !examination.map.blocks[$0].damagedCopies.isEmpty }
        let lost = blocks.filter { examination.map.blocks[$0].isLost }
        let single = blocks.filter { !examination.map.blocks[$0].isLost }
        do throws(SystemError) {
            if !damaged.isEmpty {
                // What was read may not have been on stable storage yet.
                try datafile.synchronize()
                try SuperblockWriter(examination.copies).write(to: datafile) { _ in }
                steps.append(.superblock(copies: damaged))
            }
            if !single.isEmpty {
                try datafile.synchronize()
                let same = single.compactMap { block -> (segment: Int, entry: SegmentMap.Entry)? in
                    let first = SegmentMap.segments(ofBlock: block).lowerBound
                    return examination.map[first].map { (first, $0) }
                }
                try SegmentMapWriter(examination.map).write(same, to: datafile)
                steps += single.map { .mapBlock($0) }
            }
            if !lost.isEmpty, options.acceptsLoss {
                try datafile.synchronize()
                try SegmentMapWriter(examination.map).repair(with: examination.lostEntries, of: datafile)
                steps.append(.mapTakenFromSegments)
            }
        } catch {
            throw .system(error)
        }
    }

    // MARK: Segments

    private mutating func repairSegments<File: BlockFile & ~Copyable>(
        _ examination: StoreExamination, _ datafile: borrowing File, _ everySegment: (Int, Int) -> Bool
    ) throws(StoreError) {
        let layout = examination.superblock.layout
        var reader: SegmentReader
        do throws(SystemError) { reader = try SegmentReader(layout: layout) } catch { throw .system(error) }
        var sealing = SegmentSealing(layout: layout)
        for segment in examination.segments {
            // Where the map is lost, what a segment holds may be what was freed.
            if segment.holdsRecords, examination.map[segment.number] != nil {
                reader.read(segment.number, of: datafile)
                var repair = SegmentRepair(segment, reader.bytes, examination, acceptsLoss: options.acceptsLoss)
                if !repair.isEmpty {
                    reader.read(segment.number, of: datafile)
                    repair = repair.confirmed(
                        by: SegmentRepair(segment, reader.bytes, examination, acceptsLoss: options.acceptsLoss))
                }
                do throws(SystemError) {
                    try write(repair, of: segment, layout, &sealing, to: datafile)
                } catch {
                    throw .system(error)
                }
            }
            guard everySegment(segment.number + 1, examination.segments.count) else { throw .stopped }
        }
        do throws(SystemError) { _ = try sealing.writeFooters(to: datafile) } catch { throw .system(error) }
    }

    private mutating func write<File: BlockFile & ~Copyable>(
        _ repair: SegmentRepair, of segment: RecoveredSegment, _ layout: DatafileLayout, _ sealing: inout SegmentSealing,
        to datafile: borrowing File
    ) throws(SystemError) {
        let offset = layout.segmentOffset(segment.number)
        let before = steps.count
        func begin() throws(SystemError) {
            if before == steps.count { try datafile.synchronize() }
        }
        if let header = repair.header {
            try begin()
            try Self.write(DatafileLayout.blockBytes, at: offset, to: datafile) { header.encode(into: $0, segmentOffset: offset) }
            steps.append(.segmentHeader(segment.number))
        }
        for copy in repair.copies {
            try begin()
            try Self.write(copy.image.bytes.count, at: offset + copy.image.range.lowerBound, to: datafile) {
                $0.copyBytes(from: copy.image.bytes)
            }
            steps.append(.directoryCopy(copy.copy, log: Int(copy.header.log), number: copy.header.number))
        }
        guard let summary = repair.summary else { return }
        guard summary.fits(layout), summary.isComplete || options.acceptsLoss else {
            return undecided.append(.recordsUnknown(segment: segment.number))
        }
        try begin()
        try sealing.writeSummary(
            of: segment, summary.entries, recordsEnd: summary.recordsEnd, lastCommit: summary.lastCommit,
            sealedMilliseconds: summary.sealedMilliseconds ?? options.wallMilliseconds, to: datafile)
        let (number, count, isComplete) = (segment.number, summary.entries.count, summary.isComplete)
        steps.append(
            segment.footer == nil
                ? .sealed(segment: number, records: count, isComplete: isComplete)
                : .summary(segment: number, records: count, isComplete: isComplete))
    }

    private static func write<File: BlockFile & ~Copyable>(
        _ byteCount: Int, at offset: Int, to datafile: borrowing File, _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(SystemError) {
        let blocks = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: DatafileLayout.blockBytes)
        defer { blocks.deallocate() }
        fill(blocks)
        try datafile.write(UnsafeRawBufferPointer(blocks), at: offset)
    }

    // MARK: Closing

    /// Opens the store as a server does, and closes it: segments that an unclean stop left
    /// open are sealed on the way.
    /// - Parameters:
    ///   - examination: of the store as it is now.
    ///   - saveIndex: gets the superblock of the opening, and where all logs are.
    package mutating func close<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, _ examination: StoreExamination,
        saveIndex: (Superblock, [CommitReference]) -> Void = { _, _ in }
    ) throws(SystemError) {
        let shardCount = min(max(1, examination.logs.count), Superblock.logCountMax)
        let opening = try StoreOpening(
            examination, datafile,
            StoreOpening.Options(shardCount: shardCount, wallMilliseconds: options.wallMilliseconds))
        try opening.close(datafile, logEnds: opening.logs.map(\.last)) { saveIndex(opening.superblock.current, $0) }
        steps.append(.closed(sealedSegments: opening.sealedCount))
    }
}

extension StoreNote {
    /// Whoever goes on decides that something is lost.
    package var isOfLoss: Bool { severity == .loss || severity == .lossWithoutIndex }
}
