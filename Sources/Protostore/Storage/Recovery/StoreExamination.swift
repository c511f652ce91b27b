/// What a datafile holds: the first half of opening it, which changes nothing.
///
/// ```
/// superblock    the newer of two copies
/// segment map   the newer of two copies of each block       -> free, or a floor
/// survey        header and footer of all others             -> ready, sealed, unsealed
/// scan          unsealed segments, and those whose header   -> commits, each verified
///               is damaged, as a whole
/// chains        the commits of each log                     -> its end; what is lost, what torn
/// ```
///
/// Nothing is called torn, damaged or lost on the word of one read: what looks so
/// is read a second time, and what either reading finds counts. Where blocks cannot
/// be read at all behind the end of a log that was not closed, they may hold what
/// was acknowledged: the store is not opened then, unless losses are accepted.
package struct StoreExamination: Sendable {
    /// A log with its segments, oldest first.
    package struct Log: Sendable {
        package var segments: [Int]
        package var chain: LogChain
    }

    package let copies: Superblock.Copies
    package let map: SegmentMap
    package var superblock: Superblock { copies.superblock }
    /// By number; segments without a use among them.
    package private(set) var segments: [RecoveredSegment] = []
    /// By number of the log.
    package private(set) var logs: [Log] = []
    package private(set) var notes: [StoreNote] = []
    /// The highest sequence number of any record.
    package private(set) var sequenceFloor: UInt64 = 0

    /// - Parameters:
    ///   - path: of the datafile, for messages.
    ///   - shouldStop: asked now and then; true ends the run with `.stopped`.
    /// - Throws: ``StoreError`` `.unreadable`, `.losses`, `.stopped` or `.system`.
    /// - Complexity: two small reads for each segment that is not free, and all bytes of those that are not sealed.
    package init<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, _ copies: Superblock.Copies, path: String, acceptsLoss: Bool,
        shouldStop: () -> Bool = { false }
    ) throws(StoreError) {
        self.copies = copies
        map = SegmentMap(of: datafile, copies.superblock)
        notes = copies.damaged.map { .superblockCopy($0) } + map.notes(segmentCount: Int(copies.superblock.segmentCount))
        var reader: SegmentReader
        let survey: SegmentSurvey
        do throws(SystemError) {
            survey = try SegmentSurvey(of: datafile, superblock, map)
            reader = try SegmentReader(layout: superblock.layout)
        } catch {
            throw .system(error)
        }
        segments = survey.segments.map { RecoveredSegment($0) }
        for segment in survey.segments where segment.isDoubtful {
            if shouldStop() { throw .stopped }
            scan(segment.number, datafile, &reader)
        }
        followLogs(datafile, &reader)
        lookAgain(datafile, &reader)
        if !acceptsLoss { try refuseUnreadableEnds(path) }
        noteFindings()
        sequenceFloor = segments.reduce(0) { max($0, $1.sequenceMax) }
        let losses = notes.filter { $0.severity == .loss }
        if !losses.isEmpty, !acceptsLoss { throw .losses(path, losses) }
    }

    // MARK: Scanning

    private mutating func scan<File: BlockFile & ~Copyable>(
        _ segment: Int, _ datafile: borrowing File, _ reader: inout SegmentReader
    ) {
        reader.read(segment, of: datafile)
        let reading = RecoveredSegment(reader, segment: segment, superblock, map[segment])
        if segments[segment].isScanned { segments[segment].join(reading) } else { segments[segment] = reading }
    }

    /// A sealed segment behind an unsealed one says where that one's commits end.
    private mutating func followLogs<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, _ reader: inout SegmentReader
    ) {
        for log in segmentsByLog() {
            for (position, segment) in log.enumerated() where segments[segment].isUnsealed {
                let next = log[(position + 1)...].first { segments[$0].footer?.lastCommit != CommitReference.none }
                if let next, !segments[next].isScanned { scan(next, datafile, &reader) }
            }
        }
        makeChains()
    }

    /// For each log its segments in order of use.
    private func segmentsByLog() -> [[Int]] {
        var logs: [[Int]] = superblock.logEnds.map { _ in [] }
        for segment in segments where segment.isOfLog {
            while logs.count <= segment.log { logs.append([]) }
            logs[segment.log].append(segment.number)
        }
        return logs.map { $0.sorted { segments[$0].use < segments[$1].use } }
    }

    private mutating func makeChains() {
        logs = chains()
        // Where a log has lost something, a segment that holds nothing is kept, to be sealed
        // with where the log goes on: the loss is said once.
        let kept = segments.filter { $0.isAbandoned && $0.log < logs.count && !logs[$0.log].chain.missing.isEmpty }
        guard !kept.isEmpty else { return }
        for segment in kept { segments[segment.number].state = .unsealed }
        logs = chains()
    }

    private func chains() -> [Log] {
        let isClosed = superblock.state == .closed
        let empty = segments.filter(\.isAbandoned)
        return segmentsByLog().enumerated().map { log, numbers in
            let known = log < superblock.logEnds.count ? superblock.logEnds[log] : .none
            let emptyUses = Set(empty.filter { $0.log == log }.map(\.use))
            return Log(
                segments: numbers,
                chain: LogChain(
                    numbers.map { segments[$0].link }, emptyUses: emptyUses, known: known, isClosed: isClosed))
        }
    }

    // MARK: Second looks

    /// Reads what looks damaged, torn or lost once more.
    private mutating func lookAgain<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, _ reader: inout SegmentReader
    ) {
        let doubtful = segments.filter { $0.isScanned && isDoubtful($0) }
        guard !doubtful.isEmpty else { return }
        for segment in doubtful { scan(segment.number, datafile, &reader) }
        makeChains()
    }

    private func isDoubtful(_ segment: RecoveredSegment) -> Bool {
        switch segment.state {
        case .free, .ready, .discarded, .missing, .sealed: false
        case .abandoned: segment.isHeaderDamaged || mayHideCommits(segment)
        case .unknown: true
        case .unsealed:
            segment.content != .commits || mayHideCommits(segment) || segment.isHeaderDamaged || !segment.unreadable.isEmpty
                || segment.contentEnd > acceptedEnd(of: segment) || !logs[segment.log].chain.missing.isEmpty
                || segment.commits.contains { !$0.isWhole || !$0.hasBothCopies }
        }
    }

    /// Behind what was found there may be more that one read did not show: in a segment
    /// that was used before, nothing else tells.
    private func mayHideCommits(_ segment: RecoveredSegment) -> Bool {
        segment.isReused && superblock.state == .open
    }

    /// The commits of a segment that count.
    package func acceptedCommits(of segment: RecoveredSegment) -> ArraySlice<RecoveredCommit> {
        guard segment.isOfLog, let position = logs[segment.log].segments.firstIndex(of: segment.number) else { return [] }
        return segment.commits[logs[segment.log].chain.accepted[position]]
    }

    /// Where the last commit that counts ends, in bytes from the segment's start.
    package func acceptedEnd(of segment: RecoveredSegment) -> Int {
        acceptedCommits(of: segment).last?.header.end ?? DatafileLayout.blockBytes
    }

    // MARK: Findings

    /// Behind the end of a log that was not closed there must be nothing that cannot be read.
    private func refuseUnreadableEnds(_ path: String) throws(StoreError) {
        guard superblock.state == .open else { return }
        for log in logs {
            for segment in log.segments[log.chain.endSegment...].map({ segments[$0] }) where segment.isUnsealed {
                let end = acceptedEnd(of: segment)
                if let range = segment.unreadable.first(where: { $0.upperBound > end }) {
                    throw .unreadable(path, offset: superblock.layout.segmentOffset(segment.number) + range.lowerBound)
                }
            }
        }
    }

    private mutating func noteFindings() {
        for segment in segments { note(segment) }
        for (log, found) in logs.enumerated() { note(log, found) }
    }

    private mutating func note(_ segment: RecoveredSegment) {
        switch segment.state {
        case .missing: notes.append(.segmentMissing(segment.number))
        case .unknown: notes.append(.segmentUnknown(segment.number))
        default: if segment.isHeaderDamaged { notes.append(.segmentHeader(segment.number)) }
        }
        if segment.isUnsealed, segment.content != .commits { notes.append(.recordsUnknown(segment: segment.number)) }
        for range in segment.unreadable {
            notes.append(.blocksUnreadable(segment: segment.number, range.lowerBound...(range.upperBound - 1)))
        }
        for commit in acceptedCommits(of: segment) where !commit.isWhole || !commit.hasBothCopies {
            notes.append(
                .commitDamaged(log: segment.log, commit.header.number, records: commit.damagedRecords))
        }
    }

    private mutating func note(_ number: Int, _ log: Log) {
        notes += log.chain.missing.map { .commitsMissing(log: number, $0) }
        notes += log.chain.broken.map { .commitUnlinked(log: number, $0) }
        if log.segments.contains(where: { segments[$0].isUnsealed && hasTornEnd(segments[$0]) }) {
            notes.append(.tornEnd(log: number, after: log.chain.end.number, commits: log.chain.tornCount))
        }
    }

    private func hasTornEnd(_ segment: RecoveredSegment) -> Bool {
        segment.contentEnd > acceptedEnd(of: segment)
    }
}

extension SegmentMap {
    fileprivate func notes(segmentCount: Int) -> [StoreNote] {
        blocks.enumerated().flatMap { number, block -> [StoreNote] in
            guard block.isLost else { return block.damagedCopies.map { .mapCopy(block: number, copy: $0) } }
            let segments = Self.segments(ofBlock: number).clamped(to: 0..<segmentCount)
            return [.mapLost(segments: segments.lowerBound...(segments.upperBound - 1))]
        }
    }
}

extension RecoveredSegment {
    /// What the survey says, as far as that is all there is to know.
    fileprivate init(_ survey: SegmentSurvey.Segment) {
        self.init(number: survey.number, state: .unknown)
        switch survey.state {
        case .free, .blank: state = .free
        case .discarded: state = .discarded
        case .ready: state = .ready
        case .missing: state = .missing
        case .unsealed: break
        case .sealed(let footer): state = .sealed(footer)
        }
        guard let header = survey.header else { return }
        use = header.use
        log = Int(header.log)
        content = header.content
        previousUse = header.previousUse
    }
}

extension SegmentSurvey.Segment {
    /// Whether it has to be read as a whole. One that looks as if it had never been used
    /// may hold commits behind damage in front of them.
    fileprivate var isDoubtful: Bool {
        switch state {
        case .free, .ready, .discarded, .missing: false
        case .blank, .unsealed: true
        case .sealed: header == nil
        }
    }
}
