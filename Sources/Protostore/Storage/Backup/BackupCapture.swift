/// What belongs to a copy of a store, as of one moment.
package struct BackupCapture: Sendable {
    package enum Content: Sendable {
        /// Records, summary and footer; nothing that counts is between them.
        case sealed(SegmentFooter)
        /// Commits of a log up to here, in bytes from the segment's start. What is behind
        /// is not part of the copy.
        case commits(end: Int)
        /// All of it: what is damaged is copied as it is.
        case whole
    }

    package struct Piece: Sendable {
        package let segment: Int
        package let content: Content
    }

    /// As the copy's is to be, but for its id.
    package private(set) var superblock: Superblock
    /// Of the copy's datafile.
    package private(set) var byteCount: Int
    /// In order of segments.
    package private(set) var pieces: [Piece] = []
    /// By segment; those that are not copied are free.
    package private(set) var entries: [SegmentMap.Entry]

    package init(_ superblock: Superblock, byteCount: Int? = nil) {
        self.superblock = superblock
        self.byteCount = byteCount ?? superblock.layout.segmentOffset(Int(superblock.segmentCount))
        entries = Array(repeating: .blank, count: Int(superblock.segmentCount))
    }

    /// Says what the segment map says of a segment that is not copied: that what it
    /// holds is dead, and that zeros must be written before it is used.
    package mutating func leaveOut(_ segment: Int, floor: UInt64) {
        entries[segment] = SegmentMap.Entry(.free, floor: floor, isPunched: true)
    }

    /// A segment that is not there, nor in the copy.
    package mutating func keepMissing(_ segment: Int, _ entry: SegmentMap.Entry) {
        entries[segment] = entry
    }

    package mutating func add(_ segment: Int, _ content: Content, _ entry: SegmentMap.Entry) {
        entries[segment] = entry
        let position = pieces.firstIndex { $0.segment >= segment } ?? pieces.count
        let piece = Piece(segment: segment, content: content)
        if position < pieces.count, pieces[position].segment == segment {
            pieces[position] = piece
        } else {
            pieces.insert(piece, at: position)
        }
    }

    /// Bytes that are copied.
    package var copiedBytes: Int {
        pieces.reduce(0) { $0 + $1.ranges(superblock.layout).reduce(0) { $0 + $1.count } }
    }

    /// Bytes that the copy takes on its disk: segments that a log goes on in are whole.
    package var allocatedBytes: Int {
        let layout = superblock.layout
        return pieces.reduce(DatafileLayout.firstSegmentOffset) { sum, piece in
            if case .commits = piece.content { return sum + layout.segmentBytes }
            return sum + piece.ranges(layout).reduce(0) { $0 + $1.count }
        }
    }
}

extension BackupCapture.Piece {
    /// What is read at once, and written, as far as it is not a summary.
    static let rangeBytesMax = 1 << 20

    /// Parts of the segment that are to be copied, in whole blocks from its start. A
    /// sealed segment's summary and footer are one part, the last one.
    func ranges(_ layout: DatafileLayout) -> [Range<Int>] {
        let block = DatafileLayout.blockBytes
        let end: Int
        var summary: Range<Int>?
        switch content {
        case .sealed(let footer):
            let summaryStart = min(Int(footer.summaryOffset), layout.segmentBytes - block) & ~(block - 1)
            end = min((Int(footer.recordsEnd) + block - 1) & ~(block - 1), summaryStart)
            summary = summaryStart..<layout.segmentBytes
        case .commits(let commitsEnd):
            end = min((commitsEnd + block - 1) & ~(block - 1), layout.segmentBytes)
        case .whole:
            end = layout.segmentBytes
        }
        var ranges = stride(from: 0, to: end, by: Self.rangeBytesMax).map { $0..<min($0 + Self.rangeBytesMax, end) }
        if let summary { ranges.append(summary) }
        return ranges
    }
}

// MARK: - A store that nobody has open

extension BackupCapture {
    /// A store as its examination found it; nothing of it changes. The copy of one that was
    /// not closed is not closed either: its first opening finds what this one would.
    package init(_ examination: StoreExamination, datafileBytes: Int) {
        let layout = examination.superblock.layout
        let block = DatafileLayout.blockBytes
        self.init(
            examination.superblock,
            byteCount: min(layout.segmentOffset(Int(examination.superblock.segmentCount)), datafileBytes & ~(block - 1)))
        for segment in examination.segments {
            let number = segment.number
            let entry = examination.map[number]
            let isOfLog = segment.content == .commits
            let kept = entry ?? SegmentMap.Entry(isOfLog ? .log : .sealed, floor: 0)
            switch segment.state {
            case .free, .ready, .abandoned, .discarded: leaveOut(number, floor: entry?.floor ?? 0)
            case .missing: keepMissing(number, kept)
            case .sealed(let footer): add(number, .sealed(footer), kept)
            case .unsealed where isOfLog && !segment.isHeaderDamaged && segment.unreadable.isEmpty:
                add(number, .commits(end: examination.acceptedEnd(of: segment)), kept)
            case .unsealed, .unknown: add(number, .whole, kept)
            }
        }
    }
}
