/// What is known of each segment in memory: its use, which the checksums of its
/// records are seeded with, and how new its records are at most.
///
/// The log that opens or seals a segment writes its line; shards read the lines of
/// segments to which their slots point. A slot comes to another thread by message
/// only, after the line was written, so that lines need no lock.
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
