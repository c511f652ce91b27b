import Testing

@testable import Protostore

/// Any damage at all: whatever happened, no valid record is dropped, and a second repair
/// has nothing to do.
@Suite struct RepairSweepTests {
    /// Logs of two shards, and copies that compaction has made.
    private static func compacted() throws -> SimulatedMedia {
        let store = try CompactingStore(segmentCount: 26, shardCount: 2)
        for version in 0..<9 {
            for number in 0..<60 where version == 0 || number % 3 != 0 {
                let value = [UInt8](repeating: UInt8(version), count: 400 + 37 * number)
                #expect(store.put([UInt8(number), 7], value) == .done)
            }
        }
        #expect(store.delete([5, 7])?.status == .done)
        try store.reopen(cleanly: true)
        #expect(store.put([5, 8], [1, 2, 3]) == .done)
        try store.reopen(cleanly: true)
        try store.opening.close(store.media, logEnds: store.opening.logs.map(\.last)) { _ in }
        return store.media.copied()
    }

    private static func generated() throws -> SimulatedMedia {
        let scratch = try ScratchDirectory()
        var options = StoreBuilderTests.options(scratch, keyCount: 150)
        options.segmentBytes = 64 << 10
        try StoreBuilderTests.build(options)
        return try scratch.read("protostore.data").withUnsafeBytes { SimulatedMedia(copying: $0, seed: 1) }
    }

    /// One to three places; half of them where segments frame their records.
    private static func damage(_ media: SimulatedMedia, _ random: inout SplitMix64) -> [String] {
        let blockBytes = DatafileLayout.blockBytes
        let layout = CompactingStore.layout
        let blockCount = media.contents.count / blockBytes
        func block(_ random: inout SplitMix64) -> Int {
            let segment = Int.random(in: 0..<layout.segmentCount(byteCount: media.contents.count), using: &random)
            let start = layout.segmentOffset(segment) / blockBytes
            switch Int.random(in: 0..<6, using: &random) {
            case 0: return start
            case 1: return start + layout.segmentBytes / blockBytes - 1
            case 2: return start + layout.segmentBytes / blockBytes - 2
            default: return Int.random(in: 0..<blockCount, using: &random)
            }
        }
        return (0..<Int.random(in: 1...3, using: &random)).map { _ in
            let place = block(&random) * blockBytes
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                let offset = place + Int.random(in: 0..<blockBytes, using: &random)
                media.flip(offset)
                return "flipped \(offset)"
            case 1:
                media.zero(place..<(place + blockBytes))
                return "zeros at \(place)"
            default:
                let other = block(&random) * blockBytes
                let bytes = [UInt8](media.contents[place..<(place + blockBytes)])
                let others = [UInt8](media.contents[other..<(other + blockBytes)])
                media.alter(place..<(place + blockBytes)) { $0.copyBytes(from: others) }
                media.alter(other..<(other + blockBytes)) { $0.copyBytes(from: bytes) }
                return "exchanged \(place) and \(other)"
            }
        }
    }

    @Test(arguments: seeds(3), [true, false]) func noValidRecordIsEverDropped(seed: UInt64, isCompacted: Bool) throws {
        let original = try isCompacted ? Self.compacted() : Self.generated()
        let whole = try KnownRecords(of: original)
        #expect(whole.valid(on: original) == whole.records && whole.records.count >= 150)
        #expect(try original.checked().isWhole)
        var random = SplitMix64(seed: seed)
        var repairedCount = 0
        for _ in 0..<40 {
            let media = original.copied(seed: seed)
            let what = Self.damage(media, &random)
            guard let found = try? KnownRecords(of: media) else { continue }
            let foundValid = found.valid(on: media)
            for acceptsLoss in [false, true] {
                let repair = try StoreRepair.repaired(media, acceptsLoss: acceptsLoss)
                repairedCount += repair.steps.isEmpty ? 0 : 1
                media.crash()
                let after = try KnownRecords(of: media)
                #expect(after.records.isSuperset(of: foundValid), "\(what): \(repair.steps)")
                let writes = media.writeCount
                let again = try StoreRepair.repaired(media, acceptsLoss: acceptsLoss)
                #expect(again.steps.isEmpty && media.writeCount == writes, "\(what): \(repair.steps), then \(again.steps)")
            }
            // All of them, but in segments of which nothing says what they are.
            let after = try KnownRecords(of: media)
            let valid = whole.valid(on: media).filter { after.segments.contains($0.segment) }
            #expect(after.records.isSuperset(of: valid), "\(what): \(valid.subtracting(after.records))")
        }
        #expect(repairedCount > 5)
    }
}
