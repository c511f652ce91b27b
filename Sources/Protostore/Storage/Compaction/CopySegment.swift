/// A segment that a shard fills with copies, and the slots that are to be moved to them.
///
/// ```
///          append            seal             written, flushed       marked in the map
/// target ---------> filling ------> sealing -----------------> sealed ----------------> moves
/// ```
///
/// Nothing in it counts before the segment map says so: a crash leaves a segment that is
/// free. So its bytes go out in any order, and one flush covers all of them.
struct CopySegment: ~Copyable {
    /// A copied record: whose slot points to the original.
    struct Move: BitwiseCopyable {
        var hash: UInt64
        var namespace: UInt32
        var oldLocation: UInt64
        var slot: IndexSlot
    }

    /// Whole blocks that are written at once.
    static let writeBytesGoal = 256 << 10

    private let layout: DatafileLayout
    private var image: SegmentImage
    private(set) var segment = 0
    /// Of the deletes and puts in it, in order.
    private(set) var moves: [Move] = []
    private(set) var isOpen = false
    private(set) var isSealed = false
    /// Parts of the segment that have not been handed to the disk, in bytes from its start.
    private var unwritten: Range<Int> = 0..<0
    private var summary: Range<Int> = 0..<0
    /// What is at the disk now.
    private(set) var atDevice: Range<Int>?

    init(layout: DatafileLayout) throws(SystemError) {
        image = try SegmentImage(layout: layout)
        self.layout = layout
    }

    var isEmpty: Bool { image.entryCount == 0 }
    var footer: SegmentFooter { image.currentFooter }

    mutating func begin(_ target: CopyTarget, storeID: StoreID, openedMilliseconds: UInt64) {
        var header = SegmentHeader(
            segment: UInt64(target.segment), use: target.use, storeID: storeID, openedMilliseconds: openedMilliseconds)
        header.content = .copies
        image.begin(header)
        segment = target.segment
        moves.removeAll(keepingCapacity: true)
        isOpen = true
        isSealed = false
        unwritten = 0..<0
        summary = 0..<0
    }

    /// Appends a copy.
    /// - Parameters:
    ///   - oldLocation: of the original; nil for a delete, which has no slot.
    /// - Returns: false where it does not fit any more.
    mutating func append(
        _ header: Record.Header, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, hash: KeyHash,
        oldLocation: UInt64?
    ) -> Bool {
        let offset = image.append(header, key: key, hash: hash) { place in
            if value.count > 0 { place.copyMemory(from: value) }
        }
        guard let offset else { return false }
        unwritten = unwritten.lowerBound..<(image.recordsEnd & ~(DatafileLayout.blockBytes - 1))
        if let oldLocation,
            let slot = IndexSlot(
                recordAt: offset, byteCount: header.byteCount, expires: header.expiryMilliseconds != 0, layout: layout)
        {
            moves.append(Move(hash: hash.index, namespace: header.namespace, oldLocation: oldLocation, slot: slot))
        }
        return true
    }

    /// No more copies: summary and footer are to be written as well.
    mutating func seal(sealedMilliseconds: UInt64) {
        image.seal(sealedMilliseconds: sealedMilliseconds)
        isSealed = true
        let block = DatafileLayout.blockBytes
        unwritten = unwritten.lowerBound..<((image.recordsEnd + block - 1) & ~(block - 1))
        summary = max(image.summaryOffset, unwritten.upperBound)..<layout.segmentBytes
    }

    /// Whether so much waits to be written that nothing more should be read.
    var isBehind: Bool { unwritten.count > 4 * Self.writeBytesGoal }

    /// What to write next, if there is enough of it or the segment is sealed.
    mutating func takeWrite() -> (bytes: UnsafeRawBufferPointer, offset: Int)? {
        guard atDevice == nil else { return nil }
        if unwritten.count >= Self.writeBytesGoal || isSealed && !unwritten.isEmpty {
            let part = unwritten.lowerBound..<min(unwritten.upperBound, unwritten.lowerBound + 4 * Self.writeBytesGoal)
            unwritten = part.upperBound..<unwritten.upperBound
            atDevice = part
        } else if isSealed, !summary.isEmpty {
            atDevice = summary
            summary = summary.upperBound..<summary.upperBound
        }
        return atDevice.map { (slice($0), layout.segmentOffset(segment) + $0.lowerBound) }
    }

    /// - Parameter doneBytes: of what is at the disk; what is left is to be written again.
    /// - Returns: the rest, or nil.
    mutating func completeWrite(doneBytes: Int) -> (bytes: UnsafeRawBufferPointer, offset: Int)? {
        guard let part = atDevice else { return nil }
        let rest = part.lowerBound + min(doneBytes, part.count)..<part.upperBound
        atDevice = rest.isEmpty ? nil : rest
        return rest.isEmpty ? nil : (slice(rest), layout.segmentOffset(segment) + rest.lowerBound)
    }

    /// Sealed, and all of it was written: a flush makes it durable.
    var isWritten: Bool { isSealed && unwritten.isEmpty && summary.isEmpty && atDevice == nil }

    /// Hands the moves over, and is ready for another segment.
    mutating func close() -> [Move] {
        isOpen = false
        isSealed = false
        defer { moves = [] }
        return moves
    }

    private func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: image.bytes[range])
    }
}
