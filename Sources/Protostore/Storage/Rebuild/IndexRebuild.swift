/// Fills an empty index from the summaries of sealed segments, without reading a value.
///
/// DESIGN. A summary has an entry for each record of its segment, dead ones
/// too. Of equal hashes (128 bits) the record of the highest sequence number
/// counts; where that is a delete, none does. Equal sequence numbers are
/// copies of one record. Records of dead namespaces are left out; of the others
/// the slots of each database are counted. Segments come in any order, so what is known of a key
/// is kept until all have been seen (`NewestRecords`); to keep memory small
/// that is done in passes, each for a part of the hashes (`IndexRebuildPlan`).
/// One thread reads and sorts the entries out; others insert (`RebuildLane`).
///
/// ```
/// summaries --- read, verified ---> lane 0: chunks -> newest records -> partitions 0 ..
///                 entries by root   lane 1: chunks -> newest records -> partitions .. n - 1
/// ```
package struct IndexRebuild {
    /// Segments whose summary could not be used, and for which there was no other source.
    package private(set) var damagedSegments: [Int] = []
    package private(set) var keyCount = 0

    private let layout: DatafileLayout
    private let footers: [SegmentFooter]
    private let segmentsWithoutSummary: [Int]
    private let namespaces: DatabaseNamespaces
    private let plan: IndexRebuildPlan

    /// Summaries between two questions whether to stop.
    private static let batchCount = 128
    private static let readBytesMax = 4 << 20

    /// - Parameters:
    ///   - footers: of sealed segments, each verified and held against its header.
    ///   - segmentsWithoutSummary: other segments that hold records.
    ///   - namespaces: of the databases: records of other namespaces are garbage.
    ///   - plan: by default one that fits the number of entries.
    package init(
        layout: DatafileLayout, footers: [SegmentFooter], segmentsWithoutSummary: [Int] = [],
        namespaces: DatabaseNamespaces = DatabaseNamespaces(), plan: IndexRebuildPlan? = nil
    ) {
        self.layout = layout
        self.footers = footers.sorted { $0.segment < $1.segment }
        self.segmentsWithoutSummary = segmentsWithoutSummary
        self.namespaces = namespaces
        self.plan = plan ?? IndexRebuildPlan(entryCount: footers.reduce(0) { $0 + Int($1.entryCount) })
    }

    /// - Parameters:
    ///   - file: the datafile.
    ///   - storage: an empty index, of which no partition is taken.
    ///   - shouldStop: asked now and then; true ends the run with `.stopped`.
    ///   - readRecords: calls its second argument with each record of a segment that
    ///     has no summary, or of which it is damaged; false where it cannot. May be
    ///     asked for the same segment again, in the next pass.
    /// - Complexity: one read per segment and pass, one insertion per key.
    package mutating func blockingRun<File: BlockFile & ~Copyable, Memory: IndexMemory & ~Copyable>(
        reading file: borrowing File, into storage: IndexStorage<Memory>, shouldStop: () -> Bool = { false },
        readRecords: (_ segment: Int, _ body: (IndexedRecord) -> Void) -> Bool
    ) throws(IndexRebuildError) {
        let lanes = try lanes(storage)
        var damaged: Set<Int> = []
        for pass in plan.passEnds.indices {
            let scatter = try begin(pass, lanes)
            var failure: IndexRebuildError?
            do throws(IndexRebuildError) {
                try read(file, shouldStop) { footer, summary in
                    if let summary {
                        scatter.add(summary, of: footer)
                    } else if !readRecords(Int(footer.segment), { scatter.add($0) }) {
                        damaged.insert(Int(footer.segment))
                    }
                }
                for segment in segmentsWithoutSummary {
                    if shouldStop() { throw .stopped }
                    if !readRecords(segment, { scatter.add($0) }) { damaged.insert(segment) }
                }
            } catch {
                failure = error
            }
            try finish(lanes, after: failure)
        }
        keyCount = lanes.reduce(0) { $0 + $1.keyCount }
        damagedSegments = damaged.sorted()
        for (database, namespace) in namespaces.all.enumerated() {
            storage.addKeys(lanes.reduce(0) { $0 + $1.keyCounts[database] }, ofNamespace: namespace)
        }
    }

    // MARK: Lanes

    private func lanes<Memory: IndexMemory & ~Copyable>(
        _ storage: IndexStorage<Memory>
    ) throws(IndexRebuildError) -> [RebuildLane<Memory>] {
        let partitionCount = storage.partitionCount
        let count = max(1, min(plan.threadCount, partitionCount, Scatter<Memory>.laneCountMax))
        var lanes: [RebuildLane<Memory>] = []
        do throws(IndexError) {
            for lane in 0..<count {
                let partitions = (lane * partitionCount / count)..<((lane + 1) * partitionCount / count)
                lanes.append(try RebuildLane(storage, partitions: partitions, hasThread: plan.threadCount > 0))
            }
        } catch {
            throw .index(error)
        }
        return lanes
    }

    private func begin<Memory: IndexMemory & ~Copyable>(
        _ pass: Int, _ lanes: [RebuildLane<Memory>]
    ) throws(IndexRebuildError) -> Scatter<Memory> {
        var scatter = Scatter(lanes, layout: layout, namespaces: namespaces)
        let entryCount = footers.reduce(0) { $0 + Int($1.entryCount) }
        do throws(SystemError) {
            for (number, lane) in lanes.enumerated() {
                let roots = plan.roots(of: lane.roots, inPass: pass)
                guard !roots.isEmpty else { continue }
                try lane.begin(roots, countMax: entryCount / IndexLayout.rootCount * roots.count)
                scatter.assign(roots, to: number)
            }
        } catch {
            try finish(lanes, after: .system(error))
        }
        return scatter
    }

    /// Waits for all lanes, whatever happened before.
    private func finish<Memory: IndexMemory & ~Copyable>(
        _ lanes: [RebuildLane<Memory>], after failure: IndexRebuildError?
    ) throws(IndexRebuildError) {
        var failure = failure
        for lane in lanes {
            do throws(IndexRebuildError) { try lane.blockingFinish(isAbandoned: failure != nil) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    // MARK: Reading

    /// `body` gets the bytes of each summary, or nil where they are damaged.
    private func read<File: BlockFile & ~Copyable>(
        _ file: borrowing File, _ shouldStop: () -> Bool, _ body: (SegmentFooter, UnsafeRawBufferPointer?) -> Void
    ) throws(IndexRebuildError) {
        let block = DatafileLayout.blockBytes
        func range(_ footer: SegmentFooter) -> Range<Int> {
            let start = layout.segmentOffset(Int(footer.segment)) + Int(footer.summaryOffset)
            return (start & ~(block - 1))..<((start + footer.summaryBytes + block - 1) & ~(block - 1))
        }
        let bufferBytes = footers.map { range($0).count }.max() ?? block
        let depth = max(2, min(32, Self.readBytesMax / max(bufferBytes, block)))
        for first in stride(from: 0, to: footers.count, by: Self.batchCount) {
            if shouldStop() { throw .stopped }
            let batch = footers[first..<min(first + Self.batchCount, footers.count)]
            do throws(SystemError) {
                try file.blockingReadEach(
                    count: batch.count, bufferBytes: max(bufferBytes, block), depth: min(depth, batch.count),
                    range: { range(batch[first + $0]) }
                ) { position, bytes in
                    let footer = batch[first + position]
                    body(footer, bytes.flatMap { Self.verifiedSummary($0, footer) })
                }
            } catch {
                throw .system(error)
            }
        }
    }

    /// - Parameter blocks: the blocks in which the summary is.
    private static func verifiedSummary(
        _ blocks: UnsafeRawBufferPointer, _ footer: SegmentFooter
    ) -> UnsafeRawBufferPointer? {
        let lead = Int(footer.summaryOffset) & (DatafileLayout.blockBytes - 1)
        let summary = UnsafeRawBufferPointer(rebasing: blocks[lead..<(lead + footer.summaryBytes)])
        return XXH3.hash64(summary, seed: footer.use) == footer.summaryChecksum ? summary : nil
    }
}

/// Why a rebuild ended before its end. The index is of no use then.
package enum IndexRebuildError: Error, Equatable, CustomStringConvertible {
    case system(SystemError)
    /// There is no room for it.
    case index(IndexError)
    /// The caller wanted it to.
    case stopped

    package var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .index(let error): "\(error)"
        case .stopped: "stopped while the index was rebuilt"
        }
    }
}
