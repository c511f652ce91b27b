/// What the planner knows of each segment that is sealed: enough to choose what to free.
/// Touched by the planner's thread only.
struct SegmentLedger {
    enum State {
        /// Free, open, or unknown: not the planner's business.
        case other
        case sealed
        /// Copies to which slots are being pointed.
        case moving
        /// Its live records are being copied.
        case compacting
    }

    struct Line {
        var state = State.other
        var footer = SegmentFooter(segment: 0, use: 0)
        /// Of its commits; nil where it holds none.
        var log: Int?
        /// Something in it cannot be copied, or its summary cannot be read: it stays as it is.
        var isBlocked = false
        /// The earliest expiry of a record that no sweep has seen expired; 0 = none.
        var earliestExpiry: UInt64 = 0
        /// How many had been sealed before it.
        var order = 0
        /// Bytes of deletes that cover nothing any more.
        var droppableBytes: UInt64 = 0
        /// Bytes of deletes of dead namespaces, as far as they were seen.
        var deadDeleteBytes: UInt64 = 0
    }

    let layout: DatafileLayout
    private let table: SegmentTable
    private(set) var lines: [Line] = []
    private(set) var sealedCount = 0
    /// Segments that were sealed so far.
    private var sealings = 0
    /// By number of the log: the use of its newest sealed segment, which stays: it says where the log is.
    private var newestUse: [Int: UInt64] = [:]

    init(_ table: SegmentTable) {
        layout = table.layout
        self.table = table
    }

    /// Bytes for records and summary in one segment.
    var capacity: Int { layout.segmentBodyBytes }

    subscript(segment: Int) -> Line {
        get { segment < lines.count ? lines[segment] : Line() }
        set {
            while lines.count <= segment { lines.append(Line()) }
            sealedCount += (newValue.state == .other ? 0 : 1) - (lines[segment].state == .other ? 0 : 1)
            lines[segment] = newValue
        }
    }

    /// - Parameter log: whose commits it holds; nil where it holds none.
    mutating func addSealed(_ footer: SegmentFooter, log: Int?, state: State = .sealed) {
        var line = Line()
        line.state = state
        line.footer = footer
        line.log = log
        line.earliestExpiry = footer.earliestExpiryMilliseconds
        line.order = sealings
        sealings += 1
        self[Int(footer.segment)] = line
        if let log { newestUse[log] = max(newestUse[log] ?? 0, footer.use) }
    }

    mutating func remove(_ segment: Int) {
        self[segment] = Line()
    }

    /// Whether it says where its log is.
    func isNewest(_ line: Line) -> Bool {
        line.log.map { newestUse[$0] == line.footer.use } ?? false
    }

    // MARK: Ages

    /// How many were sealed since: what in it is live still will mostly stay so, the more the older it is.
    func age(_ segment: Int) -> Int { sealings - lines[segment].order }

    // MARK: Sizes

    /// Bytes of live puts, and of deletes that are needed, without padding. An estimate: slots
    /// count in sectors.
    func liveBytes(_ segment: Int) -> Int {
        let footer = lines[segment].footer
        var live = 0.0
        if footer.putSlotBytes > 0 {
            let share = Double(max(0, table.liveBytes(of: segment))) / Double(footer.putSlotBytes)
            live = min(1, share) * Double(footer.putBytes)
        }
        let (decided, isOver) = lines[segment].droppableBytes.addingReportingOverflow(lines[segment].deadDeleteBytes)
        return Int(live) + Int(clamping: footer.deleteBytes) - Int(clamping: isOver ? footer.deleteBytes : min(decided, footer.deleteBytes))
    }

    /// Of all its records, without padding.
    func recordBytes(_ segment: Int) -> Int {
        let footer = lines[segment].footer
        return Int(clamping: footer.putBytes) + Int(clamping: footer.deleteBytes)
    }

    /// What copies of its live records would take of a segment, summary and padding included: 0...1, or more.
    func fill(_ segment: Int) -> Double {
        let total = recordBytes(segment)
        guard total > 0 else { return 0 }
        let live = Double(liveBytes(segment))
        let records = Double(lines[segment].footer.entryCount) * live / Double(total)
        return (live + records * (Double(SummaryEntry.byteCount) + paddingPerRecord(segment))) / Double(capacity)
    }

    /// What records that follow each other have in front of the next granule: known where that is
    /// how they stand, half a granule where they stand in commits.
    private func paddingPerRecord(_ segment: Int) -> Double {
        let line = lines[segment]
        guard line.log == nil, line.footer.entryCount > 0 else { return Double(layout.granuleBytes) / 2 }
        let padded = Int(line.footer.recordsEnd) - DatafileLayout.blockBytes
        return Double(max(0, padded - recordBytes(segment))) / Double(line.footer.entryCount)
    }

    /// What a segment that is full has left, about, since no further record fits: 0...0.25.
    func leftover(_ segment: Int) -> Double {
        let footer = lines[segment].footer
        guard footer.entryCount > 0 else { return 0 }
        return min(0.25, 2 * Double(recordBytes(segment)) / Double(footer.entryCount) / Double(capacity))
    }

    /// Whether copies could take less room than it does. Those of a segment with copies
    /// alone, all of them live, would be the same again, unless it was sealed early: without
    /// this, a store that is short of space would copy for ever. While there is room it does not count
    /// that it was sealed early, or a store would copy for ever that has some of these.
    func isWorthCopying(_ segment: Int, hasRoom: Bool) -> Bool {
        lines[segment].log != nil || liveBytes(segment) < recordBytes(segment)
            || !hasRoom && fill(segment) + leftover(segment) <= 0.9
    }

    /// Nothing in it is live, nor is anything hidden by what is in it.
    func isEmpty(_ segment: Int) -> Bool {
        let footer = lines[segment].footer
        return table.liveBytes(of: segment) == 0 && footer.deleteBytes == 0 && footer.earliestExpiryMilliseconds == 0
    }
}
