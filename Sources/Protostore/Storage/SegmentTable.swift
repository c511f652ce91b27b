/// Which use each segment is in: what the checksums of its records are seeded with.
///
/// Filled when the store is opened, then only read, by all shards: a segment's
/// use never changes while anybody may read from it.
package final class SegmentTable: @unchecked Sendable {
    // Sendable because it is written before any shard runs, and only read afterwards.
    package let layout: DatafileLayout
    package let count: Int
    private let uses: UnsafeMutablePointer<UInt64>

    /// The use of a segment whose header is missing or damaged. None of its records
    /// can be verified.
    package static let unknownUse: UInt64 = 0

    package init(layout: DatafileLayout, count: Int) {
        self.layout = layout
        self.count = count
        uses = .allocate(capacity: max(count, 1))
        uses.initialize(repeating: Self.unknownUse, count: max(count, 1))
    }

    deinit {
        uses.deallocate()
    }

    @inline(__always)
    package subscript(segment: Int) -> UInt64 {
        get {
            precondition(segment >= 0 && segment < count)
            return uses[segment]
        }
        set {
            precondition(segment >= 0 && segment < count)
            uses[segment] = newValue
        }
    }

    /// The segment in which a record can start at `offset`, or nil: such an offset
    /// comes from a damaged index.
    @inline(__always)
    package func segment(ofRecordAt offset: Int) -> Int? {
        guard offset >= DatafileLayout.firstSegmentOffset else { return nil }
        let segment = layout.segment(containing: offset)
        let within = offset - layout.segmentOffset(segment)
        guard segment < count, within >= DatafileLayout.blockBytes,
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
