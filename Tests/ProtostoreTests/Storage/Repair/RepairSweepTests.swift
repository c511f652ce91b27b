import Testing

@testable import Protostore

/// Any damage at all: whatever happened, no valid record is dropped, and a second repair
/// has nothing to do.
@Suite struct RepairSweepTests {
    enum Kind: CaseIterable {
        /// Logs of two shards, and copies that compaction has made.
        case closed, killed
        /// Segments of mk_data.
        case generated

        func media() throws -> SimulatedMedia {
            switch self {
            case .closed: try RepairSweepTests.compacted(isClosed: true)
            case .killed: try RepairSweepTests.compacted(isClosed: false)
            case .generated: try RepairSweepTests.generated()
            }
        }
    }

    private static func compacted(isClosed: Bool) throws -> SimulatedMedia {
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
        for number in 0..<20 { #expect(store.put([UInt8(number), 9], [UInt8](repeating: 1, count: 100 * number)) == .done) }
        if isClosed {
            try store.reopen(cleanly: true)
            try store.opening.close(store.media, logEnds: store.opening.logs.map(\.last)) { _ in }
        }
        let media = store.media.copied()
        let segments = try LogStoreBuilder.examine(media).segments
        #expect(segments.contains { $0.footer != nil && $0.content == .commits } && segments.contains(where: \.isUnsealed))
        #expect(segments.contains { $0.footer != nil && $0.content == .copies })
        return media
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

    @Test(arguments: seeds(2), Kind.allCases) func noValidRecordIsEverDropped(seed: UInt64, kind: Kind) throws {
        let original = try kind.media()
        let whole = try KnownRecords(of: original)
        #expect(whole.valid(on: original) == whole.records && whole.records.count > 80)
        #expect(try original.checked().isWhole)
        var random = SplitMix64(seed: seed)
        var repairedCount = 0
        for _ in 0..<40 {
            let media = original.copied(seed: seed)
            let what = Self.damage(media, &random)
            guard let found = try? KnownRecords(of: media) else { continue }
            let foundValid = found.valid(on: media)
            try cutOff(media.copied(seed: seed), foundValid, what, &random)
            try flaky(media.copied(seed: seed), foundValid, what)
            for acceptsLoss in [false, true] {
                let repair = try StoreRepair.repaired(media, acceptsLoss: acceptsLoss)
                repairedCount += repair.steps.isEmpty ? 0 : 1
                media.crash()
                #expect(try KnownRecords(of: media).records.isSuperset(of: foundValid), "\(what): \(repair.steps)")
                let writes = media.writeCount
                let again = try StoreRepair.repaired(media, acceptsLoss: acceptsLoss)
                #expect(again.steps.isEmpty && media.writeCount == writes, "\(what): \(repair.steps), then \(again.steps)")
            }
            // All of them, but those of segments of which nothing says what they are, and torn ones.
            let after = try KnownRecords(of: media)
            let valid = whole.valid(on: media).filter { after.segments.contains($0.segment) }
            let dropped = valid.subtracting(after.records)
            #expect(kind == .killed || dropped.isEmpty, "\(what): \(dropped)")
            try closed(media, after.valid(on: media), what)
        }
        #expect(repairedCount > 5)
    }

    /// The power fails at any call, and the next repair goes on.
    private func cutOff(
        _ media: SimulatedMedia, _ valid: Set<KnownRecords.Record>, _ what: [String], _ random: inout SplitMix64
    ) throws {
        let file = DoomedFile(media, callsLeft: .random(in: 20..<200, using: &random), random: random)
        _ = try? StoreRepair.repaired(file, acceptsLoss: true)
        media.crash()
        #expect(try KnownRecords(of: media).records.isSuperset(of: valid), "\(what), cut off")
        _ = try StoreRepair.repaired(media, acceptsLoss: true)
        #expect(try KnownRecords(of: media).records.isSuperset(of: valid), "\(what), cut off and repaired")
    }

    /// Errors of reads pass: nothing is dropped on the word of one of them.
    private func flaky(_ media: SimulatedMedia, _ valid: Set<KnownRecords.Record>, _ what: [String]) throws {
        media.faults.readError = 0.01
        media.faults.shortRead = 0.01
        media.faults.flippedBit = 0.01
        _ = try? StoreRepair.repaired(media, acceptsLoss: true)
        media.faults = SimulatedMedia.Faults()
        #expect(try KnownRecords(of: media).records.isSuperset(of: valid), "\(what), on a disk with errors")
    }

    /// What an opening and a closing make of it has the same records.
    private func closed(_ media: SimulatedMedia, _ valid: Set<KnownRecords.Record>, _ what: [String]) throws {
        var repair = try StoreRepair.repaired(media, acceptsLoss: true)
        try repair.close(media, LogStoreBuilder.examine(media, acceptsLoss: true))
        media.crash()
        #expect(try KnownRecords(of: media).records.isSuperset(of: valid), "\(what), closed")
        #expect(try Superblock.readCopies(of: media).superblock.state == .closed)
    }
}
