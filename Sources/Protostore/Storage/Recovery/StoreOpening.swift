/// The second half of opening a store: makes what an examination found stable, and
/// hands it to the shards.
///
/// ```
/// examination -> index -> flush -> segment map, if damaged -> seal -> superblock: open counter + 1, open -> shards
/// ```
///
/// A crash between any two writes leaves a store of which the next examination finds
/// the same: what is believed is flushed before anything is built on it, a footer
/// says what its commits say, and no use of a segment is given out before the open
/// counter is on stable storage.
package struct StoreOpening: Sendable {
    package struct Options: Sendable {
        /// How many shards, and logs, there will be: 1 to 128.
        package var shardCount: Int
        /// Segments that puts leave for deletes and compaction, and how many of them deletes leave.
        package var reserveCount = 0
        package var copiesReserveCount = 0
        /// Segments behind the end of the file may be made again, without what they held.
        package var givesUpMissing = false
        /// The time, milliseconds since 1970.
        package var wallMilliseconds: UInt64

        package init(shardCount: Int, wallMilliseconds: UInt64) {
            self.shardCount = shardCount
            self.wallMilliseconds = wallMilliseconds
        }
    }

    package let superblock: SuperblockWriter
    package let map: SegmentMapWriter
    /// Free by the map: the segment maker makes them ready.
    package let freeSegments: [Int]
    /// They hold nothing that counts: the segment maker frees them.
    package let retiredSegments: [Int]
    /// What the shards share.
    package let parts: StoreParts
    /// By number of the shard.
    package private(set) var logs: [LogStart] = []
    /// Where each log of the store is, those without a shard included.
    package let logEnds: [CommitReference]
    /// All sealed segments, and whose commits they hold; nil where they hold none.
    package let sealedSegments: [(footer: SegmentFooter, log: Int?)]
    /// How many segments were sealed on the way.
    package private(set) var sealedCount = 0

    /// Opens an examined store for writing.
    /// - Throws: the error of a write or flush. The store may be examined and opened again.
    package init<File: BlockFile & ~Copyable>(
        _ examination: StoreExamination, _ datafile: borrowing File, _ options: Options
    ) throws(SystemError) {
        try datafile.synchronize()
        Failpoint.reached(.afterOpeningFlush)
        let map = SegmentMapWriter(examination.map)
        try map.repair(with: examination.lostEntries, of: datafile)
        let layout = examination.superblock.layout
        let table = try SegmentTable(layout: layout)
        for segment in examination.segments where segment.use != SegmentTable.unknownUse && segment.holdsRecords {
            table[segment.number] = segment.use
            if let footer = segment.footer { table.seal(segment.number, sequenceMax: footer.sequenceMax) }
        }
        var logs = (0..<options.shardCount).map { examination.start(ofLog: $0) }
        for log in logs.indices { logs[log].open = examination.openSegment(ofLog: log) }
        let resumed = Set(logs.compactMap { $0.open?.segment })
        let sealed = try Self.seal(examination, except: resumed, datafile, options.wallMilliseconds)
        for footer in sealed { table.seal(Int(footer.segment), sequenceMax: footer.sequenceMax) }

        Failpoint.reached(.afterOpeningSeals)
        let logEnds = examination.logEnds(count: options.shardCount)
        let superblock = SuperblockWriter(examination.copies)
        try superblock.write(to: datafile) { superblock in
            superblock.openCounter += PlantedBug.isPlanted(.keepOpenCounter) ? 0 : 1
            superblock.state = .open
            superblock.logEnds = logEnds
        }
        self.superblock = superblock
        self.map = map
        freeSegments = examination.segments { if case .free = $0 { true } else { false } }
        retiredSegments = examination.retiredSegments(givesUpMissing: options.givesUpMissing)
        self.logs = logs
        self.logEnds = logEnds
        sealedCount = sealed.count
        sealedSegments = examination.sealedSegments(and: sealed)
        parts = StoreParts(
            segments: table,
            pool: SegmentPool(
                free: examination.segments { if case .ready = $0 { true } else { false } },
                reserveCount: options.reserveCount, copiesReserveCount: options.copiesReserveCount),
            health: StoreHealth(), uses: UseCounter(openCounter: superblock.current.openCounter),
            compaction: CompactionBoard(shardCount: options.shardCount),
            namespaces: NamespaceMap(superblock.current.namespaces))
    }

    private static func seal<File: BlockFile & ~Copyable>(
        _ examination: StoreExamination, except resumed: Set<Int>, _ datafile: borrowing File, _ milliseconds: UInt64
    ) throws(SystemError) -> [SegmentFooter] {
        var sealing = SegmentSealing(layout: examination.superblock.layout)
        for log in examination.logs {
            for (position, number) in log.segments.enumerated() {
                let segment = examination.segments[number]
                guard segment.isUnsealed, !resumed.contains(number) else { continue }
                try sealing.writeSummary(
                    of: segment, examination.acceptedCommits(of: segment).flatMap(\.entries),
                    recordsEnd: examination.acceptedEnd(of: segment), lastCommit: log.chain.ends[position],
                    sealedMilliseconds: milliseconds, to: datafile)
            }
        }
        return try sealing.writeFooters(to: datafile)
    }
}

extension StoreOpening {
    /// Segments with records that are neither sealed nor gone on in: damage took their footers. To be
    /// asked before shards begin.
    var unsealedSegments: Set<Int> {
        let known = Set(sealedSegments.map { Int($0.footer.segment) } + logs.compactMap { $0.open?.segment })
        let all = 0..<Int(superblock.current.segmentCount)
        return Set(all.filter { parts.segments[$0] != SegmentTable.unknownUse && !known.contains($0) })
    }
}

extension RecoveredSegment {
    var isAbandoned: Bool {
        if case .abandoned = state { return true }
        return false
    }

    /// Whether records in it may be served.
    package var holdsRecords: Bool { isUnsealed || footer != nil }
}

// MARK: - What follows from an examination

extension StoreExamination {
    /// The numbers of segments in certain states.
    fileprivate func segments(_ isIncluded: (RecoveredSegment.State) -> Bool) -> [Int] {
        segments.filter { isIncluded($0.state) }.map(\.number)
    }

    fileprivate func sealedSegments(and sealed: [SegmentFooter]) -> [(footer: SegmentFooter, log: Int?)] {
        var footers: [Int: SegmentFooter] = [:]
        for segment in segments { if let footer = segment.footer { footers[segment.number] = footer } }
        for footer in sealed { footers[Int(footer.segment)] = footer }
        return footers.sorted { $0.key < $1.key }.map { number, footer in
            (footer, segments[number].content == .commits ? segments[number].log : nil)
        }
    }

    fileprivate func retiredSegments(givesUpMissing: Bool) -> [Int] {
        segments { state in
            switch state {
            case .abandoned, .discarded: true
            case .missing: givesUpMissing
            case .free, .ready, .sealed, .unsealed, .unknown: false
            }
        }
    }

    /// What the segment map says from now on of segments of which nothing was known but what they hold.
    var lostEntries: [(segment: Int, entry: SegmentMap.Entry)] {
        segments.filter { map[$0.number] == nil }.map { segment in
            let state: SegmentMap.State
            switch segment.state {
            case .free: state = .free
            case .sealed, .unsealed: state = segment.content == .commits ? .log : .sealed
            case .ready, .abandoned, .discarded, .unknown, .missing: state = .log
            }
            return (segment.number, SegmentMap.Entry(state, floor: 0))
        }
    }

    /// Where each log is, for all that the store has and at least `count`.
    func logEnds(count: Int) -> [CommitReference] {
        (0..<max(count, logs.count)).map { $0 < logs.count ? logs[$0].chain.end : .none }
    }

    fileprivate func start(ofLog number: Int) -> LogStart {
        var start = LogStart(log: UInt32(number))
        start.sequence = PlantedBug.isPlanted(.restartSequence) ? 0 : sequenceFloor
        guard number < logs.count else { return start }
        start.last = logs[number].chain.end
        start.previousUse = logs[number].segments.last.map { segments[$0].use } ?? 0
        return start
    }

    /// The segment in which a log goes on: the newest one of a closed store, if nothing
    /// at all is wrong with it.
    fileprivate func openSegment(ofLog number: Int) -> LogStart.Open? {
        guard superblock.state == .closed, number < logs.count, let newest = logs[number].segments.last else { return nil }
        let chain = logs[number].chain
        let segment = segments[newest]
        let commits = acceptedCommits(of: segment)
        guard segment.isUnsealed, !segment.isHeaderDamaged, segment.unreadable.isEmpty, !commits.isEmpty,
            commits.count == segment.commits.count, commits.allSatisfy({ $0.isWhole && $0.hasBothCopies }),
            commits.last?.header.reference == chain.end, chain.missing.isEmpty, chain.broken.isEmpty,
            segment.contentEnd <= acceptedEnd(of: segment)
        else { return nil }
        var space = SegmentSpace(superblock.layout)
        for commit in commits {
            let offset = space.placeCommit(
                byteCount: Int(commit.header.byteCount), recordCount: Int(commit.header.recordCount))
            guard offset == Int(commit.header.offset) else { return nil }
        }
        return LogStart.Open(
            segment: segment.number, use: segment.use, space: space, entries: commits.flatMap(\.entries))
    }
}
