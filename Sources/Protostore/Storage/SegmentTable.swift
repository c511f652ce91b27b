import Synchronization

/// What is known of each segment in memory: its use, which the checksums of its
/// records are seeded with, how new its records are at most, and how much of it is live.
///
/// Whoever opens or seals a segment writes its line; shards read the lines of
/// segments to which their slots point. A slot comes to another thread by message
/// only, after the line was written, so that lines need no lock. Live bytes alone are
/// counted by all shards: those to whose slots the records belong.
package final class SegmentTable: @unchecked Sendable {
    // Sendable because of the rule above.
    package let layout: DatafileLayout
    private let memory: MemoryMapping
    private let lines: UnsafeMutablePointer<Line>
    /// Segments that locations can reach.
    package let capacity: Int

    private struct Line: BitwiseCopyable {
        var use: UInt64
        /// 0 while the segment is not sealed: then it is not known.
        var sequenceMax: UInt64
        /// `SegmentTable.liveBytes(ofSlot:)` of all slots that point into the segment. An `Atomic<Int>`.
        var liveBytes: Int
    }

    /// The use of a segment that is free, or whose header is damaged. No record
    /// there can be verified.
    package static let unknownUse: UInt64 = 0

    package init(layout: DatafileLayout) throws(SystemError) {
        self.layout = layout
        capacity = layout.segmentCount(byteCount: layout.byteCountMax)
        // Zeros, of which only those pages count that are written.
        memory = try MemoryMapping(reserving: capacity * MemoryLayout<Line>.stride)
        lines = memory.base.bindMemory(to: Line.self, capacity: capacity)
    }

    @inline(__always)
    package subscript(segment: Int) -> UInt64 {
        get {
            precondition(segment >= 0 && segment < capacity)
            return lines[segment].use
        }
        set {
            precondition(segment >= 0 && segment < capacity)
            lines[segment].use = newValue
        }
    }

    // MARK: Live bytes

    /// What a slot counts for: the bytes from the record's start to the end of what one
    /// read of it covers. It depends on the slot alone, so that what was added is taken
    /// away again, and is at most a third more than the record has.
    @inline(__always)
    package func liveBytes(ofSlot slot: IndexSlot) -> Int {
        // A location has 33 bits and a granule 12: this stays far below 2^63.
        let within = Int(slot.location) &* layout.granuleBytes & (ReadExtent.sectorBytes &- 1)
        return slot.sizeClass.byteCount &- within
    }

    /// A slot points to a record now, or no longer.
    @inline(__always)
    package func count(_ slot: IndexSlot, isLive: Bool) {
        let segment = layout.segment(containing: Int(slot.location) &* layout.granuleBytes)
        // Damaged slots point anywhere.
        guard segment >= 0, segment < capacity else { return }
        let byteCount = liveBytes(ofSlot: slot)
        // Relaxed: a sum, which nothing else depends on.
        liveBytesCounter(segment).pointee.add(isLive ? byteCount : -byteCount, ordering: .relaxed)
    }

    /// What the slots that point into the segment count for now.
    package func liveBytes(of segment: Int) -> Int {
        precondition(segment >= 0 && segment < capacity)
        return liveBytesCounter(segment).pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    private func liveBytesCounter(_ segment: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        // `liveBytes` is a stored property of a plain struct, so it has an offset.
        let offset = MemoryLayout<Line>.offset(of: \Line.liveBytes) ?? 0
        return (UnsafeMutableRawPointer(lines + segment) + offset).assumingMemoryBound(to: Atomic<Int>.self)
    }

    /// Forgets a segment that holds nothing any more: none of its records is valid from here on.
    package func forget(_ segment: Int) {
        precondition(segment >= 0 && segment < capacity)
        lines[segment].use = Self.unknownUse
        lines[segment].sequenceMax = 0
    }

    /// Notes that a segment is sealed, and its highest sequence number.
    package func seal(_ segment: Int, sequenceMax: UInt64) {
        precondition(segment >= 0 && segment < capacity)
        lines[segment].sequenceMax = sequenceMax
    }

    /// The highest sequence number in a sealed segment, or nil where it is not known.
    package func sequenceMax(of segment: Int) -> UInt64? {
        precondition(segment >= 0 && segment < capacity)
        let sequence = lines[segment].sequenceMax
        return sequence == 0 ? nil : sequence
    }

    /// The segment in which a record can start at `offset`, or nil: such an offset
    /// comes from a damaged index.
    @inline(__always)
    package func segment(ofRecordAt offset: Int) -> Int? {
        guard offset >= DatafileLayout.firstSegmentOffset else { return nil }
        let segment = layout.segment(containing: offset)
        guard segment < capacity, lines[segment].use != Self.unknownUse else { return nil }
        let within = offset - layout.segmentOffset(segment)
        guard within >= DatafileLayout.blockBytes,
            within + Record.headerBytes <= layout.segmentBytes - DatafileLayout.blockBytes
        else { return nil }
        return segment
    }

    /// The first byte behind `segment`.
    @inline(__always)
    package func end(of segment: Int) -> Int {
        layout.segmentOffset(segment) + layout.segmentBytes
    }

    /// Where records that start in `segment` must have ended.
    @inline(__always)
    package func recordsLimit(of segment: Int) -> Int {
        end(of: segment) - DatafileLayout.blockBytes
    }
}
