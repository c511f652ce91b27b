/// The newest record of each key, of a range of hashes: what stands between
/// the summaries, which have every record, and the index, which has one of each key.
///
/// Open addressing with linear probing. An entry's place follows the order of
/// the hashes, so that the index is filled region by region when the table is
/// emptied from one end to the other, and growing is one pass from table to
/// table. In both cases memory that was passed is given back on the way.
///
/// Keys are told apart by 84 bits of their hash. Among 2^30 keys, chance makes
/// two of them one in about one of thirty million stores.
///
/// ASSUMPTIONS. Hashes are uniform: others are held as well, but slowly.
struct NewestRecords: ~Copyable {
    /// ```
    /// high       hash bits 127...64
    /// sequence   sequence number
    /// packed     bits 63...44  hash bits 63...44
    ///            bits 43...40  the key's database
    ///            bit  39       1: a delete
    ///            bits 38...0   the slot without its tag, never 0
    /// ```
    struct Entry: BitwiseCopyable {
        var high: UInt64
        var sequence: UInt64
        var packed: UInt64

        static let hashMask: UInt64 = ~0 << 44
        static let databaseShift: UInt64 = 40
        static let deleteBit: UInt64 = 1 << 39

        /// - Parameter database: whose namespace is the record's: 0...15.
        /// - Returns: nil where no slot can point to the record.
        @inline(__always)
        init?(_ record: IndexedRecord, layout: DatafileLayout, database: Int = 0) {
            guard let slot = record.slot(layout: layout) else { return nil }
            high = record.hash.high
            sequence = record.sequence
            packed =
                record.hash.low & Self.hashMask | UInt64(database & 15) << Self.databaseShift | (record.kind == .delete ? Self.deleteBit : 0)
                | slot.rawValue & IndexSlot.payloadMask
        }

        var isEmpty: Bool { packed == 0 }
        var database: Int { Int(packed >> Self.databaseShift & 15) }
        var isDelete: Bool { packed & Self.deleteBit != 0 }
        var slot: IndexSlot { IndexSlot(rawValue: packed & IndexSlot.payloadMask) }

        @inline(__always)
        func hasKey(of other: Entry) -> Bool {
            high == other.high && (packed ^ other.packed) & Self.hashMask == 0
        }
    }

    /// Emptied memory is given back in pieces of this size: that of a huge page.
    private static let discardBytes = 2 << 20
    private static let capacityMin = 64
    private static let prefetchDistance = 16

    private let roots: Range<Int>
    private var mapping: MemoryMapping
    private var entries: UnsafeMutablePointer<Entry>
    private var capacity: Int
    /// At this size the table is filled further before it grows: it should not have to.
    private let capacityPlanned: Int
    /// Places of the table for each unit of the hash's high half, times 2^64.
    private var scale: UInt64
    private(set) var count = 0

    /// - Parameters:
    ///   - roots: top 12 bits of the hashes to come.
    ///   - countMax: how many keys are expected at most. The table begins much
    ///     smaller; at that many it has the size that this number asks for.
    init(roots: Range<Int>, countMax: Int) throws(SystemError) {
        self.roots = roots
        // Doubled four times the table is 90 % full with `countMax` keys.
        capacity = max(Self.capacityMin, countMax / 144 * 10 + 10)
        capacityPlanned = capacity * 16
        mapping = try Self.memory(capacity)
        entries = mapping.base.assumingMemoryBound(to: Entry.self)
        scale = Self.scale(capacity, roots)
    }

    private static func memory(_ capacity: Int) throws(SystemError) -> MemoryMapping {
        let byteCount = capacity * MemoryLayout<Entry>.stride
        return try MemoryMapping(reserving: byteCount, hugePages: byteCount >= discardBytes)
    }

    private static func scale(_ capacity: Int, _ roots: Range<Int>) -> UInt64 {
        // 2^64 / (roots << 52) = 2^12 / roots. A capacity has less than 48 bits.
        UInt64(capacity) << 12 / UInt64(roots.count)
    }

    /// Where a hash's entry is looked for first.
    @inline(__always)
    private func home(_ high: UInt64) -> Int {
        let distance = high &- UInt64(truncatingIfNeeded: roots.lowerBound) << 52
        // For all roots the scale is the capacity; for some, distance is below roots << 52.
        return Int(truncatingIfNeeded: distance.multipliedFullWidth(by: scale).high)
    }

    /// Takes in records, fetching ahead.
    /// - Throws: where there is no memory to grow.
    mutating func insert(_ records: UnsafeBufferPointer<Entry>) throws(SystemError) {
        for position in records.indices {
            let ahead = position &+ Self.prefetchDistance  // far below 2^63
            if ahead < records.count { prefetch(records[ahead]) }
            try insert(records[position])
        }
    }

    /// Entries are 8 places from home on average when the table is full: three cache lines.
    @inline(__always)
    private func prefetch(_ entry: Entry) {
        let home = entries + home(entry.high)
        Protostore.prefetch(home)
        Protostore.prefetch(UnsafeRawPointer(home) + 64)
        Protostore.prefetch(UnsafeRawPointer(home) + 128)
    }

    /// Takes in a record unless a newer one of its key is there. Its root must
    /// be one of the table's.
    /// - Throws: where there is no memory to grow.
    @inline(__always)
    mutating func insert(_ entry: Entry) throws(SystemError) {
        var position = home(entry.high)
        while true {
            let other = entries[position]
            if other.isEmpty { break }
            if entry.hasKey(of: other) {
                if entry.sequence > other.sequence || PlantedBug.isPlanted(.olderRecordWins) { entries[position] = entry }
                return
            }
            position &+= 1  // <= capacity
            if position == capacity { position = 0 }
        }
        entries[position] = entry
        count += 1
        if count > (capacity < capacityPlanned ? capacity / 4 * 3 : capacity / 16 * 15) { try grow() }
    }

    private mutating func grow() throws(SystemError) {
        let old = entries
        let oldCapacity = capacity
        var oldMapping = try Self.memory(capacity * 2)
        swap(&mapping, &oldMapping)
        capacity *= 2
        entries = mapping.base.assumingMemoryBound(to: Entry.self)
        scale = Self.scale(capacity, roots)
        Self.forEach(old, oldCapacity, discarding: oldMapping) { entry in
            var position = home(entry.high)
            while !entries[position].isEmpty {
                position += 1
                if position == capacity { position = 0 }
            }
            entries[position] = entry
        }
    }

    /// Hands over each key's newest record, roughly in the order of the hashes,
    /// and gives their memory back. The table is of no use afterwards.
    @inline(__always)
    mutating func drain(_ body: (Entry) throws(IndexError) -> Void) throws(IndexError) {
        try Self.forEach(entries, capacity, discarding: mapping, body)
    }

    @inline(__always)
    private static func forEach<Failure: Error>(
        _ entries: UnsafeMutablePointer<Entry>, _ capacity: Int, discarding mapping: borrowing MemoryMapping,
        _ body: (Entry) throws(Failure) -> Void
    ) throws(Failure) {
        var discarded = 0
        for position in 0..<capacity {
            let passed = position * MemoryLayout<Entry>.stride
            if passed - discarded >= discardBytes {
                // A refusal costs memory until the end, nothing else.
                try? mapping.discard(offset: discarded, byteCount: discardBytes)
                discarded += discardBytes
            }
            if !entries[position].isEmpty { try body(entries[position]) }
        }
    }
}
