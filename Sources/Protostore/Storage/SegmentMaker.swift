/// Keeps free segments ready: makes the datafile longer by one segment of zeros at a
/// time, ahead of need, so that the write path never does.
///
/// ```
/// zeros -> flush -> superblock: segment count + 1 -> pool
/// ```
///
/// A crash leaves a file that is longer than its superblock says; what is behind the
/// last segment is filled again.
package struct SegmentMaker: Sendable {
    package enum Outcome: Equatable, Sendable {
        /// There are as many as there should be.
        case enough
        case made(Int)
        /// The file system has no room, or the store has all segments that it can have.
        case noSpace(String)
        /// It may be tried again.
        case failed(SystemError)
        /// A flush failed: the store takes no writes any more.
        case storeFailed
    }

    private let superblock: SuperblockWriter
    private let parts: StoreParts
    /// How many free segments there should be.
    package let targetCount: Int
    private let freeBytes: @Sendable () -> Int

    /// Left to others on the same file system, such as the saved index.
    package static let spareBytes = 16 << 20
    private static let zerosBytes = 1 << 20

    /// - Parameter freeBytes: how much the file system has left for the datafile.
    package init(_ store: StoreOpening, targetCount: Int, freeBytes: @escaping @Sendable () -> Int = { .max }) {
        superblock = store.superblock
        parts = store.parts
        self.targetCount = targetCount
        self.freeBytes = freeBytes
    }

    /// Makes a segment if there are too few. Takes as long as writing it does.
    package func blockingStep<File: BlockFile & ~Copyable>(on datafile: borrowing File) -> Outcome {
        let outcome = makeSegment(datafile)
        switch outcome {
        case .made, .enough: parts.pool.setMayGrow(targetCount > 0)
        case .noSpace, .failed, .storeFailed: parts.pool.setMayGrow(false)
        }
        return outcome
    }

    private func makeSegment<File: BlockFile & ~Copyable>(_ datafile: borrowing File) -> Outcome {
        guard parts.health.acceptsWrites else { return .storeFailed }
        guard parts.pool.count < targetCount else { return .enough }
        let layout = parts.segments.layout
        let number = Int(superblock.current.segmentCount)
        guard number < parts.segments.capacity else {
            return .noSpace("the store has \(number) segments, as many as its format can have")
        }
        guard freeBytes() - layout.segmentBytes >= Self.spareBytes else {
            return .noSpace("the file system is full")
        }
        do throws(SystemError) {
            try fill(layout.segmentOffset(number)..<layout.segmentOffset(number + 1), datafile)
        } catch {
            return .failed(error)
        }
        Failpoint.reached(.afterGrow)
        do throws(SystemError) {
            try datafile.synchronize()
            Failpoint.reached(.afterGrowFlush)
            try superblock.write(to: datafile) { $0.segmentCount = UInt64(number + 1) }
        } catch {
            // What the flush should have covered may have been a log's.
            parts.health.fail(error.code)
            return .storeFailed
        }
        Failpoint.reached(.afterSegmentCount)
        parts.pool.add(number..<(number + 1))
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
