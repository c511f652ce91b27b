/// Looks at everything that a store holds, and changes nothing.
///
/// ```
/// examination    superblock, headers, footers, ends of logs     as an opening sees them
/// segments       each as a whole: commits, records, summary     (SegmentCheck, LogCheck)
/// index          each slot, each key                            (IndexCheck)
/// ```
///
/// What an unclean stop leaves is no damage: torn ends are notes. Memory: one
/// segment, what the examination keeps of segments that are not sealed, and for the
/// index what ``IndexCheck`` says.
package struct StoreCheck: Sendable {
    package let examination: StoreExamination
    package private(set) var report = CheckReport()

    /// - Parameters:
    ///   - path: of the datafile, for messages.
    /// - Throws: ``StoreError`` where the store cannot even be examined.
    package init<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, _ copies: Superblock.Copies, path: String
    ) throws(StoreError) {
        examination = try StoreExamination(datafile, copies, path: path, acceptsLoss: true)
        report.counts.logs = examination.logs.count { $0.chain.end.number > 0 || !$0.segments.isEmpty }
        for note in examination.notes { report.add(.store(note)) }
    }

    /// Reads and verifies every segment.
    /// - Parameter everySegment: gets the number of those that are done, and of all; false stops the check.
    /// - Throws: `.stopped`, or `.system` where there is no memory.
    /// - Complexity: O(bytes of the datafile).
    package mutating func checkSegments<File: BlockFile & ~Copyable>(
        of datafile: borrowing File, everySegment: (Int, Int) -> Bool = { _, _ in true }
    ) throws(StoreError) {
        var reader: SegmentReader
        do throws(SystemError) {
            reader = try SegmentReader(layout: examination.superblock.layout)
        } catch {
            throw .system(error)
        }
        let ofLogs = examination.logs.map(\.segments)
        let inLogs = Set(ofLogs.joined())
        let others = examination.segments.map(\.number).filter { !inLogs.contains($0) }
        var doneCount = 0
        for (log, numbers) in (ofLogs + [others]).enumerated() {
            var state = log < ofLogs.count ? LogCheck(log: log) : nil
            for (position, number) in numbers.enumerated() {
                if state != nil { state?.enter(followsFreed: examination.logs[log].chain.followsFreed[position]) }
                let mustBeSealed = state == nil || position + 1 < numbers.count && examination.superblock.state == .closed
                check(number, datafile, &reader, &state, mustBeSealed: mustBeSealed)
                doneCount += 1
                guard everySegment(doneCount, examination.segments.count) else { throw .stopped }
            }
        }
    }

    private mutating func check<File: BlockFile & ~Copyable>(
        _ number: Int, _ datafile: borrowing File, _ reader: inout SegmentReader, _ log: inout LogCheck?,
        mustBeSealed: Bool
    ) {
        let segment = examination.segments[number]
        switch segment.state {
        case .missing: return report.counts.lostSegments += 1
        // Nobody will ever read what is there.
        case .free, .ready, .discarded: return report.counts.freeSegments += 1
        case .abandoned, .sealed, .unsealed, .unknown: break
        }
        reader.read(number, of: datafile)
        for range in reader.unreadable {
            report.add(.store(.blocksUnreadable(segment: number, range.lowerBound...(range.upperBound - 1))))
        }
        let accepted = examination.acceptedCommits(of: segment).map(\.header.number)
        SegmentCheck(segment, reader.bytes, examination.superblock, examination.map[number]).run(
            &report, log: &log, accepted: accepted.first.map { $0...(accepted.last ?? $0) }, mustBeSealed: mustBeSealed)
    }

    /// Holds an index against the records.
    /// - Parameters:
    ///   - storage: of this state of the store; none of its partitions is taken.
    ///   - tableBytesMax: see ``IndexCheck``.
    package mutating func checkIndex<File: BlockFile & ~Copyable, Memory: IndexMemory & ~Copyable>(
        _ storage: IndexStorage<Memory>, of datafile: borrowing File, tableBytesMax: Int = 512 << 20
    ) throws(StoreError) {
        let check = try IndexCheck(examination, tableBytesMax: tableBytesMax)
        try check.blockingRun(storage, datafile, &report)
    }

    mutating func note(_ finding: CheckFinding) {
        report.add(finding)
    }
}
