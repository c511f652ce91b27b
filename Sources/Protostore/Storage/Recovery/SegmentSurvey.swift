/// What the blocks that frame the segments say: a few small reads for each.
///
/// What is neither valid nor zeros is read a second time before it counts as
/// damaged, since errors of reads may pass.
package struct SegmentSurvey: Sendable {
    package struct Segment: Sendable {
        package enum State: Sendable, Equatable {
            /// By the map, whatever it holds: it was not looked at.
            case free, discarded
            /// It was prepared for a log, and never opened.
            case ready
            /// Zeros where its header and its first records would be, and the map does not say what it is.
            case blank
            /// Its footer is valid and names the use that its header names, or its header is damaged.
            case sealed(SegmentFooter)
            /// It has no footer for this use. What it holds is to be looked for.
            case unsealed
            /// The file ends before it.
            case missing
        }

        package let number: Int
        /// Nil where the map does not say it.
        package let entry: SegmentMap.Entry?
        package var state = State.missing
        /// Nil where it is damaged, or none that the segment can have.
        package var header: SegmentHeader?
        /// Header, footer or both could not be read.
        package var isUnreadable = false

        /// Nil where only its commits can say it.
        package var use: UInt64? {
            if let header { return header.use }
            if case .sealed(let footer) = state { return footer.use }
            return nil
        }
    }

    package private(set) var segments: [Segment]

    /// One of the two places that are read of each segment.
    fileprivate enum Part: Equatable {
        case unread
        case blank
        case damaged
        case header(SegmentHeader)
        case footer(SegmentFooter)

        var isDoubtful: Bool { self == .unread || self == .damaged }
    }

    /// The header's block, and the one where the first records are.
    private static let headBytes = 2 * DatafileLayout.blockBytes
    private static let depth = 128

    /// - Complexity: two reads for each segment that is not free, many at a time.
    package init<File: BlockFile & ~Copyable>(
        of datafile: borrowing File, _ superblock: Superblock, _ map: SegmentMap
    ) throws(SystemError) {
        let layout = superblock.layout
        let segmentCount = Int(superblock.segmentCount)
        let present = min(segmentCount, layout.segmentCount(byteCount: try datafile.byteCount()))
        segments = (0..<segmentCount).map { Segment(number: $0, entry: map[$0]) }
        let isRead = segments.prefix(present).map { $0.entry?.state != .free && $0.entry?.state != .copying }
        // Two for each segment: its head, its footer.
        var parts = [Part](repeating: .unread, count: 2 * present)
        for _ in 0..<2 {
            let doubtful = parts.indices.filter { isRead[$0 / 2] && parts[$0].isDoubtful }
            try datafile.blockingReadEach(
                count: doubtful.count, bufferBytes: Self.headBytes, depth: Self.depth,
                range: { Self.range(ofPart: doubtful[$0], layout) }
            ) { position, bytes in
                let number = doubtful[position]
                parts[number] = bytes.map { Self.part(number, $0, superblock, map[number / 2]) } ?? .unread
            }
        }
        for number in 0..<present { segments[number].note(head: parts[2 * number], foot: parts[2 * number + 1]) }
    }

    private static func range(ofPart number: Int, _ layout: DatafileLayout) -> Range<Int> {
        let start = layout.segmentOffset(number / 2)
        let end = start + layout.segmentBytes
        return number % 2 == 0 ? start..<(start + headBytes) : (end - DatafileLayout.blockBytes)..<end
    }

    private static func part(
        _ number: Int, _ bytes: UnsafeRawBufferPointer, _ superblock: Superblock, _ entry: SegmentMap.Entry?
    ) -> Part {
        let segment = UInt64(number / 2)
        let offset = superblock.layout.segmentOffset(number / 2)
        if number % 2 == 0 {
            if let header = SegmentHeader(bytes, segmentOffset: offset), header.segment == segment,
                header.storeID == superblock.storeID, header.log < UInt32(Superblock.logCountMax),
                entry?.admits(header) ?? true
            {
                return .header(header)
            }
        } else if let footer = SegmentFooter(bytes, segmentOffset: offset, layout: superblock.layout),
            footer.segment == segment
        {
            // One of an earlier use is as good as none.
            return footer.use > entry?.floor ?? 0 ? .footer(footer) : .blank
        }
        return bytes.allSatisfy { $0 == 0 } ? .blank : .damaged
    }
}

extension SegmentSurvey.Segment {
    fileprivate mutating func note(head: SegmentSurvey.Part, foot: SegmentSurvey.Part) {
        switch entry?.state {
        case .free: return state = .free
        case .copying: return state = .discarded
        case .log, .sealed, nil: break
        }
        isUnreadable = head == .unread || foot == .unread
        if case .header(let header) = head { self.header = header }
        switch (head, foot) {
        case (.header(let header), _) where header.content == .ready: state = .ready
        case (.header(let header), .footer(let footer)):
            state = header.use == footer.use ? .sealed(footer) : .unsealed
        case (_, .footer(let footer)): state = .sealed(footer)
        case (.blank, .blank) where entry == nil: state = .blank
        default: state = .unsealed
        }
    }
}
