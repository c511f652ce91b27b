import Testing

@testable import Protostore

/// Making segments ahead of need, and empty stores, over a simulated disk.
@Suite struct SegmentMakerTests {
    private func opened(_ seed: UInt64 = 1) throws -> (SimulatedMedia, StoreOpening) {
        let media = SimulatedMedia(byteCount: 0, capacityBytes: LogStoreBuilder.layout.segmentOffset(6), seed: seed)
        try StoreCreation.write(StoreCreation.superblock(LogStoreBuilder.layout), to: media)
        return (media, try reopened(media))
    }

    private func reopened(_ media: SimulatedMedia) throws -> StoreOpening {
        let examination = try LogStoreBuilder.examine(media)
        #expect(examination.notes.allSatisfy { $0.severity == .damage })
        return try StoreOpening(examination, media, StoreOpening.Options(shardCount: 1, wallMilliseconds: 1))
    }

    @Test func itMakesAsManyAsThereShouldBe() throws {
        let (media, opening) = try opened()
        let maker = SegmentMaker(opening, targetCount: 3)
        for number in 0..<3 { #expect(maker.blockingStep(on: media) == .made(number)) }
        #expect(maker.blockingStep(on: media) == .enough && opening.parts.pool.count == 3)
        #expect(opening.parts.pool.take(for: .writes) == 0)
        #expect(maker.blockingStep(on: media) == .made(3))
        media.crash()
        #expect(try reopened(media).parts.pool.count == 4)
    }

    @Test func aFullDiskIsNoFailureOfTheStore() throws {
        let (media, opening) = try opened()
        let maker = SegmentMaker(opening, targetCount: 10)
        while case .made = maker.blockingStep(on: media) {}
        guard case .failed(let error) = maker.blockingStep(on: media) else {
            Issue.record("the disk has room for 6 segments")
            return
        }
        #expect(error.code == 28 && opening.parts.health.acceptsWrites && opening.parts.pool.count == 6)
        let full = SegmentMaker(opening, targetCount: 10) { SegmentMaker.spareBytes }
        #expect(full.blockingStep(on: media) == .noSpace("the file system is full"))
    }

    @Test func aFailedFlushEndsAllWriting() throws {
        let (media, opening) = try opened()
        media.faults.flushError = 1
        let maker = SegmentMaker(opening, targetCount: 2)
        #expect(maker.blockingStep(on: media) == .storeFailed)
        media.faults = SimulatedMedia.Faults()
        #expect(!opening.parts.health.acceptsWrites && opening.parts.pool.count == 0)
        #expect(maker.blockingStep(on: media) == .storeFailed)
    }

    /// What is in the pool survives; a file may be longer than its superblock says.
    @Test func crashesLeaveWholeSegments() throws {
        for seed in 0..<200 as Range<UInt64> {
            let (media, opening) = try opened(seed)
            let maker = SegmentMaker(opening, targetCount: 4)
            media.faults.writeError = 0.1
            media.faults.growNoSpace = 0.2
            for _ in 0..<6 { _ = maker.blockingStep(on: media) }
            media.faults = SimulatedMedia.Faults()
            let count = opening.parts.pool.count
            media.crash()
            let next = try reopened(media)
            #expect(next.parts.pool.count >= count, "seed \(seed)")
            let again = SegmentMaker(next, targetCount: 5)
            while case .made = again.blockingStep(on: media) {}
            #expect(next.parts.pool.count == 5, "seed \(seed)")
        }
    }
}
