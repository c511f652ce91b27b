/// Keeps segments ready for the logs, ahead of need, so that the write path never waits
/// for one; and takes back those that hold nothing any more. A block device has its length:
/// there are as many segments as it has room for.
///
/// ```
/// retire:                          map: free -> free list
/// free list:  (zeros, if punched)
///             ready mark -> flush -> map: log -> pool
/// else:       longer file of zeros
///             ready mark -> flush -> map: log -> superblock: segment count + 1 -> pool
/// ```
///
/// What a free segment holds stays there; the map's floor says that it is dead. A crash
/// leaves a file that is longer than its superblock says, and what is behind the last
/// segment is filled again; or a free segment with a ready mark, which is free.
///
/// Steps are for one thread at a time; ``retire(_:)`` and the counts are for all.
package final class SegmentMaker: Sendable {
    package enum Outcome: Equatable, Sendable {
        /// There are as many as there should be.
        case enough
        case made(Int)
        /// Space was given back to the file system.
        case gaveBack
        /// The file system has no room, or the store has all segments that it can have.
        case noSpace(String)
        /// It may be tried again.
        case failed(SystemError)
        /// A flush failed: the store takes no writes any more.
        /// With the error where this was the first in the store to fail.
        case storeFailed(SystemError?)
    }

    package struct Options: Sendable {
        /// How many ready segments there should be.
        package var targetCount: Int
        /// The most that the datafile may have, in bytes; nil = as much as there is room for.
        package var bytesMax: Int?
        /// False where the file must not become longer.
        package var mayGrow = true
        /// What is full when there is too little left.
        package var fullText = "the file system is full"
        /// How much the file system has left for the datafile, in bytes.
        package var freeBytes: @Sendable () -> Int = { .max }

        package init(targetCount: Int) {
            self.targetCount = targetCount
        }
    }

    struct Lists {
        /// Free by the map, in ascending order.
        var free: [Int]
        /// To be freed.
        var retired: [Int]
    }

    let superblock: SuperblockWriter
    let map: SegmentMapWriter
    let parts: StoreParts
    private let options: Options
    let lists: Locked<Lists>

    /// Left to others on the same file system, such as the saved index.
    package static let spareBytes = 16 << 20
    private static let zerosBytes = 1 << 20

    package init(_ store: StoreOpening, _ options: Options) {
        superblock = store.superblock
        map = store.map
        parts = store.parts
        self.options = options
        lists = Locked(Lists(free: store.freeSegments.sorted(), retired: store.retiredSegments))
    }

    /// How many ready segments there should be.
    package var targetCount: Int { options.targetCount }
    /// The reason of `.noSpace` where it is not the store's own limit.
    var fullText: String { options.fullText }

    // MARK: For all threads

    /// Gives segments back: nothing in them counts any more, and nothing will look there.
    /// The next step makes that durable, and only then are they used again.
    package func retire(_ segments: [Int]) {
        lists.withLock { $0.retired += segments }
        parts.pool.wakeMaker()
    }

    /// Segments that can be used without making the file longer.
    package var freeCount: Int { lists.withLock { $0.free.count } + parts.pool.count }

    /// Whether the file may become longer now.
    package var canGrow: Bool { growthRefusal == nil }

    /// By how many segments the file may become longer, as far as that is known.
    package var growableCount: Int {
        guard options.mayGrow else { return 0 }
        let layout = parts.segments.layout
        let count = Int(superblock.current.segmentCount)
        let ofFileSystem = max(0, options.freeBytes() - Self.spareBytes) / layout.segmentBytes
        let ofLimit = options.bytesMax.map { max(0, layout.segmentCount(byteCount: $0) - count) } ?? .max
        return min(parts.segments.capacity - count, ofFileSystem, ofLimit)
    }

    // MARK: Steps

    /// Frees what was given back, and makes a segment ready if there are too few. Takes as
    /// long as writing that does.
    /// - Parameter mayFree: segments may be given back, so that it is worth waiting where none can be made.
    package func blockingStep<File: BlockFile & ~Copyable>(
        on datafile: borrowing File, mayFree: Bool = false
    ) -> Outcome {
        let isWanted = parts.pool.count < options.targetCount
        let outcome =
            blockingFree(datafile) ?? (isWanted ? blockingPrepare(.log, datafile) : blockingShrink(datafile) ?? .enough)
        if case .made(let segment) = outcome { parts.pool.add(segment..<(segment + 1)) }
        switch outcome {
        case .made, .enough, .gaveBack: parts.pool.setMayGrow(options.targetCount > 0)
        case .noSpace: parts.pool.setMayGrow(mayFree)
        case .failed, .storeFailed: parts.pool.setMayGrow(false)
        }
        return outcome
    }

    /// Prepares a segment for compaction to fill: whatever it holds does not count until
    /// the map calls it sealed. The last ready segment is for this.
    /// - Returns: `.made` with the segment, which is the caller's now; never `.enough`.
    package func takeForCopies<File: BlockFile & ~Copyable>(on datafile: borrowing File) -> Outcome {
        let outcome = blockingFree(datafile) ?? blockingPrepare(.copying, datafile)
        guard case .noSpace = outcome, let segment = parts.pool.take(for: .copies) else { return outcome }
        do throws(SystemError) {
            try map.write([(segment, SegmentMap.Entry(.copying, floor: parts.uses.last))], to: datafile)
        } catch {
            return fail(error)
        }
        return .made(segment)
    }

    /// - Returns: nil where all went well.
    private func blockingFree<File: BlockFile & ~Copyable>(_ datafile: borrowing File) -> Outcome? {
        guard parts.health.acceptsWrites else { return .storeFailed(nil) }
        let retired = lists.withLock { $0.retired }
        guard !retired.isEmpty else { return nil }
        let entry = SegmentMap.Entry(.free, floor: parts.uses.last)
        do throws(SystemError) {
            // What has replaced their records is in logs, and without `--sync always` perhaps not yet
            // on stable storage: the map must not be there before.
            try datafile.synchronize()
            try map.write(retired.map { ($0, entry) }, to: datafile)
        } catch {
            return fail(error)
        }
        for segment in retired { parts.segments.forget(segment) }
        Failpoint.reached(.afterFree)
        lists.withLock { lists in
            // More may have come meanwhile.
            lists.retired.removeFirst(retired.count)
            lists.free = (lists.free + retired).sorted()
        }
        return nil
    }

    private func blockingPrepare<File: BlockFile & ~Copyable>(
        _ state: SegmentMap.State, _ datafile: borrowing File
    ) -> Outcome {
        if let segment = lists.withLock({ $0.free.first }) { return prepareFree(segment, state, datafile) }
        if let refusal = growthRefusal { return .noSpace(refusal) }
        return grow(state, datafile)
    }

    private func prepareFree<File: BlockFile & ~Copyable>(
        _ segment: Int, _ state: SegmentMap.State, _ datafile: borrowing File
    ) -> Outcome {
        let range = parts.segments.layout.segmentOffset(segment)..<parts.segments.layout.segmentOffset(segment + 1)
        do throws(SystemError) {
            if map.entry(of: segment).isPunched { try fill(range, datafile) }
            // The file may have lost its end.
            try datafile.grow(to: range.upperBound)
            if state == .log { try mark(segment, datafile) }
        } catch {
            return .failed(error)
        }
        Failpoint.reached(.afterReadyMark)
        do throws(SystemError) {
            try datafile.synchronize()
            if !PlantedBug.isPlanted(.useBeforeMarked) {
                try map.write([(segment, SegmentMap.Entry(state, floor: parts.uses.last))], to: datafile)
            }
        } catch {
            return fail(error)
        }
        lists.withLock { $0.free.removeAll { $0 == segment } }
        return .made(segment)
    }

    /// What a flush that failed should have covered may have been a log's; and what the
    /// map holds after a failed write is not known.
    func fail(_ error: SystemError) -> Outcome {
        .storeFailed(parts.health.fail(error.code) ? error : nil)
    }

    private func mark<File: BlockFile & ~Copyable>(_ segment: Int, _ datafile: borrowing File) throws(SystemError) {
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: DatafileLayout.blockBytes, alignment: DatafileLayout.blockBytes)
        defer { block.deallocate() }
        let offset = parts.segments.layout.segmentOffset(segment)
        SegmentHeader.ready(segment: UInt64(segment), storeID: map.storeID).encode(into: block, segmentOffset: offset)
        try datafile.write(UnsafeRawBufferPointer(block), at: offset)
    }

    // MARK: Growth

    /// Why the file cannot become longer now; nil where it can.
    private var growthRefusal: String? {
        let layout = parts.segments.layout
        let number = Int(superblock.current.segmentCount)
        guard number < parts.segments.capacity else {
            return "the store has \(number) segments, as many as its format can have"
        }
        guard options.mayGrow else { return "the datafile has lost its end, and is not made longer" }
        if let bytesMax = options.bytesMax, layout.segmentOffset(number + 1) > bytesMax {
            return "the store has reached --max-size (\(bytesMax) bytes)"
        }
        guard options.freeBytes() - layout.segmentBytes >= Self.spareBytes else { return options.fullText }
        return nil
    }

    private func grow<File: BlockFile & ~Copyable>(
        _ state: SegmentMap.State, _ datafile: borrowing File
    ) -> Outcome {
        let layout = parts.segments.layout
        let number = Int(superblock.current.segmentCount)
        do throws(SystemError) {
            try fill(layout.segmentOffset(number)..<layout.segmentOffset(number + 1), datafile)
            Failpoint.reached(.afterGrow)
            if state == .log { try mark(number, datafile) }
        } catch {
            return .failed(error)
        }
        Failpoint.reached(.afterReadyMark)
        do throws(SystemError) {
            try datafile.synchronize()
            Failpoint.reached(.afterGrowFlush)
            // Zeros are behind its commits, whatever use they are of.
            try map.write([(number, SegmentMap.Entry(state, floor: 0))], to: datafile)
            try superblock.write(to: datafile) { $0.segmentCount = UInt64(number + 1) }
        } catch {
            return fail(error)
        }
        Failpoint.reached(.afterSegmentCount)
        return .made(number)
    }

    private func fill<File: BlockFile & ~Copyable>(
        _ range: Range<Int>, _ datafile: borrowing File
    ) throws(SystemError) {
        let present = min(max(try datafile.byteCount(), range.lowerBound), range.upperBound)
        if present > range.lowerBound {
            let zeros = try MemoryMapping(anonymous: min(present - range.lowerBound, Self.zerosBytes))
            var offset = range.lowerBound
            while offset < present {
                let count = min(zeros.byteCount, present - offset)
                try datafile.write(UnsafeRawBufferPointer(start: zeros.base, count: count), at: offset)
                offset += count
            }
        }
        try datafile.grow(to: range.upperBound)
    }
}
