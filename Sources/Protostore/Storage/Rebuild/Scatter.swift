/// Deals entries out to the lanes of one pass.
struct Scatter<Memory: IndexMemory & ~Copyable> {
    /// Lanes have numbers below this one.
    static var laneCountMax: Int { 255 }
    private static var none: UInt8 { 255 }

    private let lanes: [RebuildLane<Memory>]
    private let layout: DatafileLayout
    /// For each root the lane that has it in this pass, or `none`.
    private var laneOfRoot = [UInt8](repeating: Self.none, count: IndexLayout.rootCount)

    init(_ lanes: [RebuildLane<Memory>], layout: DatafileLayout) {
        self.lanes = lanes
        self.layout = layout
    }

    mutating func assign(_ roots: Range<Int>, to lane: Int) {
        for root in roots { laneOfRoot[root] = UInt8(lane) }
    }

    /// Deals out the entries of a verified summary. One of unknown kind, or of a
    /// record that does not lie in its segment, is left out.
    func add(_ summary: UnsafeRawBufferPointer, of footer: SegmentFooter) {
        for start in stride(from: 0, to: summary.count, by: SummaryEntry.byteCount) {
            // The root is in the first word: entries of other passes cost one look.
            let high: UInt64 = summary.get(start)
            let lane = laneOfRoot[IndexLayout.root(of: high)]
            guard lane != Self.none else { continue }
            let bytes = UnsafeRawBufferPointer(rebasing: summary[start..<(start &+ SummaryEntry.byteCount)])
            guard let entry = SummaryEntry(bytes), let record = IndexedRecord(entry, of: footer, layout: layout),
                let newest = NewestRecords.Entry(record, layout: layout)
            else { continue }
            lanes[Int(lane)].append(newest)
        }
    }

    func add(_ record: IndexedRecord) {
        let lane = laneOfRoot[IndexLayout.root(of: record.hash.index)]
        guard lane != Self.none, let newest = NewestRecords.Entry(record, layout: layout) else { return }
        lanes[Int(lane)].append(newest)
    }
}
