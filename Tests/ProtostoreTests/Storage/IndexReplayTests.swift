import Testing
@testable import Protostore

@Suite struct IndexReplayTests {
    private static let layout = DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64)!

    /// A random history of few keys that look alike to the index.
    private struct History {
        var entries: [IndexReplay.Entry] = []
        private var latest: [Int: IndexReplay.Entry] = [:]
        private var older: [IndexReplay.Entry] = []
        private var sequence: UInt64 = 10

        init(length: Int, keys: Int, seed: UInt64) {
            var random = SplitMix(seed: seed)
            for _ in 0..<length { append(key: Int.random(in: 0..<keys, using: &random), &random) }
        }

        private mutating func append(key: Int, _ random: inout SplitMix) {
            let choice = Int.random(in: 0..<10, using: &random)
            var entry = Self.entry(key: key, number: entries.count)
            switch choice {
            case 0..<2: entry.record.kind = .delete
            case 2..<5:
                // A copy of the version that counts, or of one that does not any more.
                let original = choice == 2 ? older.randomElement(using: &random) : latest[key]
                guard let original, original.record.kind == .put else { return }
                let offset = entry.record.offset
                entry = original
                entry.record.offset = offset
                entry.record.isCopy = true
                entries.append(entry)
                if choice != 2 { latest[key] = entry }
                return
            default: break
            }
            sequence += UInt64.random(in: 1...3, using: &random)
            entry.record.sequence = sequence
            entries.append(entry)
            if let before = latest[key] { older.append(before) }
            latest[key] = entry
        }

        private static func entry(key: Int, number: Int) -> IndexReplay.Entry {
            // Two namespaces have the same keys, three keys the same bits in the index.
            let hash = KeyHash(high: UInt64(key / 3) << 50, low: UInt64(key))
            let record = IndexedRecord(hash: hash, sequence: 0, offset: (2 << 20) + number * 128, recordBytes: 100)
            return IndexReplay.Entry(record, namespace: UInt32(key % 2), key: [UInt8(key / 2)])
        }

        /// The slots after the first entries: as many of each key's as `count` says.
        func locations(_ count: (IndexReplay.Entry) -> Int) -> [(KeyHash, Int)] {
            var live: [UInt64: IndexedRecord] = [:]
            for (number, entry) in entries.enumerated() where number < count(entry) {
                let record = entry.record
                let key = record.hash.low
                if record.kind == .delete {
                    live[key] = nil
                } else if !record.isCopy || live[key]?.sequence == record.sequence {
                    live[key] = record
                }
            }
            return live.values.map { ($0.hash, $0.offset) }.sorted { $0.1 < $1.1 }
        }

        func storedKey(at offset: Int) -> IndexReplay.StoredKey? {
            entries.first { $0.record.offset == offset }.map {
                IndexReplay.StoredKey(namespace: $0.namespace, key: $0.key, sequence: $0.record.sequence)
            }
        }
    }

    private func storage(_ locations: [(KeyHash, Int)], partitions: Int) throws -> IndexStorage<PrivateIndexMemory> {
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 64), partitionCount: partitions)
        for (hash, offset) in locations {
            let slot = try #require(IndexSlot(recordAt: offset, byteCount: 100, expires: false, layout: Self.layout))
            var index = try storage.takePartition(storage.partition(of: hash.index))
            try index.insert(hash.index, slot)
        }
        return storage
    }

    private func offsets(_ storage: IndexStorage<PrivateIndexMemory>) throws -> [Int] {
        var offsets: [Int] = []
        for partition in 0..<storage.partitionCount {
            try storage.takePartition(partition).forEachSlot { _, slot in
                offsets.append(Int(slot.location) * Self.layout.granuleBytes)
            }
        }
        return offsets.sorted()
    }

    /// Whatever end of a history is replayed onto whatever part of it the index
    /// holds beyond its beginning: the result is the whole history's.
    @Test(arguments: seeds(300))
    func anyEndOnAnyStateBetweenGivesTheWhole(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed &+ 1000)
        let history = History(length: 60, keys: 9, seed: seed)
        let all = history.entries.count
        let start = Int.random(in: 0...all, using: &random)
        let reached = (0..<9).map { _ in Int.random(in: start...all, using: &random) }
        let before = history.locations { reached[Int($0.record.hash.low)] }
        let storage = try storage(before, partitions: 1 + Int(seed % 3))
        var tail = Array(history.entries[start...])
        // Logs come in any order; a copy is behind its original.
        if seed % 2 == 0 { tail = tail.filter { !$0.record.isCopy }.shuffled(using: &random) + tail.filter(\.record.isCopy) }
        var replay = IndexReplay(tail, layout: Self.layout)
        try replay.blockingApply(to: storage) { history.storedKey(at: $0) }
        let expected = history.locations { _ in all }.map(\.1)
        #expect(try offsets(storage) == expected)
        #expect(replay.unreadableCount == 0)
        let unchanged = history.locations { _ in all }.map(\.1) == before.map(\.1)
        #expect(unchanged || replay.changeCount > 0)

        var again = IndexReplay(tail, layout: Self.layout)
        try again.blockingApply(to: storage) { history.storedKey(at: $0) }
        #expect(try offsets(storage) == expected)
    }

    private enum Outcome { case old, new, none, both }

    /// The table of `IndexReplay`: one slot, of a record with the sequence number
    /// `found`, meets a record with 10.
    @Test(arguments: [
        (Record.Kind.put, false, [Outcome.old, .old, .new]), (.put, true, [.old, .new, .old]),
        (.delete, false, [.old, .none, .none]),
    ])
    private func oneSlotMeetsOneRecord(_ kind: Record.Kind, _ isCopy: Bool, _ outcomes: [Outcome]) throws {
        let hash = KeyHash(high: 5 << 40, low: 1)
        let record = IndexedRecord(
            hash: hash, sequence: 10, offset: 3 << 20, recordBytes: 100, kind: kind, isCopy: isCopy)
        let others: Outcome = kind == .put && !isCopy ? .both : .old
        let cases = zip([11, 10, 9] as [UInt64], outcomes).map { ($0, [1] as [UInt8], $1) } + [(9, [2], others)]
        for (found, key, outcome) in cases {
            let storage = try storage([(hash, 2 << 20)], partitions: 1)
            var replay = IndexReplay(
                [IndexReplay.Entry(record, namespace: 0, key: [1])], layout: Self.layout)
            try replay.blockingApply(to: storage) { _ in
                IndexReplay.StoredKey(namespace: 0, key: key, sequence: found)
            }
            let expected: [Int] =
                switch outcome {
                case .old: [2 << 20]
                case .new: [3 << 20]
                case .none: []
                case .both: [2 << 20, 3 << 20]
                }
            #expect(try offsets(storage) == expected, "found \(found)")
        }
    }

    /// As a live put does: no key is lost to a record that cannot be read.
    @Test func anUnreadableCandidateIsKept() throws {
        let hash = KeyHash(high: 5 << 40, low: 1)
        let storage = try storage([(hash, 2 << 20)], partitions: 1)
        let put = IndexReplay.Entry(
            IndexedRecord(hash: hash, sequence: 9, offset: 3 << 20, recordBytes: 100), namespace: 0, key: [1])
        for _ in 0..<2 {
            var replay = IndexReplay([put], layout: Self.layout)
            try replay.blockingApply(to: storage) { _ in nil }
            #expect(try offsets(storage) == [2 << 20, 3 << 20])
        }
        var delete = put
        delete.record.kind = .delete
        delete.record.sequence = 10
        delete.record.offset = 4 << 20
        var replay = IndexReplay([put, delete], layout: Self.layout)
        try replay.blockingApply(to: storage) { _ in nil }
        #expect(replay.unreadableCount == 1)
        #expect(try offsets(storage) == [2 << 20])
    }

    @Test func aRecordNoSlotCanPointToIsLeftOut() throws {
        let storage = try storage([], partitions: 1)
        for (offset, byteCount) in [(0, 1), (-64, 1), (65, 1), (1 << 62, 1), (64, 0), (64, .max)] {
            let record = IndexedRecord(
                hash: KeyHash(high: 1, low: 1), sequence: 1, offset: offset, recordBytes: byteCount)
            var replay = IndexReplay([IndexReplay.Entry(record, namespace: 0, key: [])], layout: Self.layout)
            try replay.blockingApply(to: storage) { _ in nil }
        }
        #expect(try offsets(storage) == [])
    }

    @Test func withoutRoomItIsAnError() throws {
        let memory = try PrivateIndexMemory(windowCount: 64, indexBytesMax: 36 << 10 + CountsLayout.byteCount)
        let storage = try IndexStorage(memory, partitionCount: 1)
        let record = IndexedRecord(hash: KeyHash(high: 1, low: 1), sequence: 1, offset: 1 << 20, recordBytes: 1)
        var replay = IndexReplay([IndexReplay.Entry(record, namespace: 0, key: [])], layout: Self.layout)
        #expect(throws: IndexError.self) { try replay.blockingApply(to: storage) { _ in nil } }
    }
}
