/// Deals entries out to the lanes of one pass.
struct Scatter<Memory: IndexMemory & ~Copyable> {
    /// Lanes have numbers below this one.
    static var laneCountMax: Int { 255 }
    private static var none: UInt8 { 255 }

    private let lanes: [RebuildLane<Memory>]
    private let layout: DatafileLayout
    private let namespaces: DatabaseNamespaces
    /// For each root the lane that has it in this pass, or `none`.
    private var laneOfRoot = [UInt8](repeating: Self.none, count: IndexLayout.rootCount)

    init(_ lanes: [RebuildLane<Memory>], layout: DatafileLayout, namespaces: DatabaseNamespaces) {
        self.lanes = lanes
        self.layout = layout
        self.namespaces = namespaces
    }

    mutating func assign(_ roots: Range<Int>, to lane: Int) {
        for root in roots { laneOfRoot[root] = UInt8(lane) }
    }

    /// Deals out the entries of a verified summary. One of unknown kind, of a record that does not
    /// lie in its segment, or of a dead namespace is left out.
    func add(_ summary: UnsafeRawBufferPointer, of footer: SegmentFooter) {
        for start in stride(from: 0, to: summary.count, by: SummaryEntry.byteCount) {
            // The root is in the first word: entries of other passes cost one look.
            let high: UInt64 = summary.get(start)
            let lane = laneOfRoot[IndexLayout.root(of: high)]
            guard lane != Self.none else { continue }
            let bytes = UnsafeRawBufferPointer(rebasing: summary[start..<(start &+ SummaryEntry.byteCount)])
            guard let entry = SummaryEntry(bytes), let record = IndexedRecord(entry, of: footer, layout: layout),
                let newest = newest(record)
            else { continue }
            lanes[Int(lane)].append(newest)
        }
    }

    func add(_ record: IndexedRecord) {
        let lane = laneOfRoot[IndexLayout.root(of: record.hash.index)]
        guard lane != Self.none, let newest = newest(record) else { return }
        lanes[Int(lane)].append(newest)
    }

    /// - Returns: nil where the index can or may have no slot of it.
    @inline(__always)
    private func newest(_ record: IndexedRecord) -> NewestRecords.Entry? {
        let found = namespaces.database(of: record.namespace) ?? (PlantedBug.isPlanted(.resurrectNamespace) ? 0 : nil)
        guard let database = found else { return nil }
        return NewestRecords.Entry(record, layout: layout, database: database)
    }
}
