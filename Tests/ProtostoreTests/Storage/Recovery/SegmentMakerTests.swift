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
        let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 3))
        for number in 0..<3 { #expect(maker.blockingStep(on: media) == .made(number)) }
        #expect(maker.blockingStep(on: media) == .enough && opening.parts.pool.count == 3)
        #expect(opening.parts.pool.take(for: .writes) == 0)
        #expect(maker.blockingStep(on: media) == .made(3))
        media.crash()
        #expect(try reopened(media).parts.pool.count == 4)
    }

    @Test func aFullDiskIsNoFailureOfTheStore() throws {
        let (media, opening) = try opened()
        let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 10))
        while case .made = maker.blockingStep(on: media) {}
        guard case .failed(let error) = maker.blockingStep(on: media) else {
            Issue.record("the disk has room for 6 segments")
            return
        }
        #expect(error.code == 28 && opening.parts.health.acceptsWrites && opening.parts.pool.count == 6)
        var options = SegmentMaker.Options(targetCount: 10)
        options.freeBytes = { SegmentMaker.spareBytes }
        let full = SegmentMaker(opening, options)
        #expect(full.blockingStep(on: media) == .noSpace("the file system is full"))
    }

    @Test func aFailedFlushEndsAllWriting() throws {
        let (media, opening) = try opened()
        media.faults.flushError = 1
        let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 2))
        guard case .storeFailed(let error?) = maker.blockingStep(on: media) else {
            Issue.record("it is the first to fail")
            return
        }
        #expect(error.code == 5)
        media.faults = SimulatedMedia.Faults()
        #expect(!opening.parts.health.acceptsWrites && opening.parts.pool.count == 0)
        // Who came first has said so.
        #expect(maker.blockingStep(on: media) == .storeFailed(nil))
    }

    /// What is in the pool survives; a file may be longer than its superblock says.
    @Test func crashesLeaveWholeSegments() throws {
        for seed in 0..<200 as Range<UInt64> {
            let (media, opening) = try opened(seed)
            let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 4))
            media.faults.writeError = 0.1
            media.faults.growNoSpace = 0.2
            for _ in 0..<6 { _ = maker.blockingStep(on: media) }
            media.faults = SimulatedMedia.Faults()
            let count = opening.parts.pool.count
            media.crash()
            let next = try reopened(media)
            #expect(next.parts.pool.count >= count, "seed \(seed)")
            let again = SegmentMaker(next, SegmentMaker.Options(targetCount: 5))
            while case .made = again.blockingStep(on: media) {}
            #expect(next.parts.pool.count == 5, "seed \(seed)")
        }
    }

    // MARK: Freed segments

    /// Lowest number first, before the file becomes longer; durably free before that.
    @Test func whatIsRetiredIsUsedAgain() throws {
        let (media, opening) = try opened()
        let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 3))
        while case .made = maker.blockingStep(on: media) {}
        let taken = (0..<3).compactMap { _ in opening.parts.pool.take(for: .writes) }
        #expect(taken == [0, 1, 2] && maker.freeCount == 0)
        for segment in taken { #expect(opening.map.entry(of: segment) == SegmentMap.Entry(.log, floor: 0)) }
        let use = opening.parts.uses.next()
        maker.retire([2, 0])
        #expect(maker.freeCount == 0)
        #expect(maker.blockingStep(on: media) == .made(0) && maker.freeCount == 2)
        #expect(opening.map.entry(of: 0) == SegmentMap.Entry(.log, floor: use))
        #expect(opening.map.entry(of: 2) == SegmentMap.Entry(.free, floor: use))
        #expect(maker.blockingStep(on: media) == .made(2) && maker.blockingStep(on: media) == .made(3))
        #expect(opening.superblock.current.segmentCount == 4)
        media.crash()
        let next = try reopened(media)
        // Segment 1 was taken, and never opened.
        #expect(next.parts.pool.count == 4 && next.map.entry(of: 2).floor == use)
    }

    /// Without `--sync always` what has replaced the records of a segment may not have been flushed.
    @Test func whatIsOlderIsDurableBeforeASegmentIsFree() throws {
        for seed in 0..<100 as Range<UInt64> {
            let (media, opening) = try opened(seed)
            let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 2))
            while case .made = maker.blockingStep(on: media) {}
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
            defer { bytes.deallocate() }
            bytes.initializeMemory(as: UInt8.self, repeating: 9)
            let place = LogStoreBuilder.layout.segmentOffset(1) + 8192
            try media.write(UnsafeRawBufferPointer(bytes), at: place)
            maker.retire([0])
            media.faults.flushError = 1
            _ = maker.blockingStep(on: media)
            media.faults = SimulatedMedia.Faults()
            media.crash()
            let isFree = try reopened(media).map.entry(of: 0).state == .free
            let isThere = Array(media.contents)[place..<place + 4096].allSatisfy { $0 == 9 }
            #expect(!isFree || isThere, "seed \(seed)")
        }
    }

    @Test func compactionTakesSegmentsOfItsOwn() throws {
        let (media, opening) = try opened()
        let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 1))
        #expect(maker.takeForCopies(on: media) == .made(0) && opening.parts.pool.count == 0)
        #expect(opening.map.entry(of: 0).state == .copying)
        maker.retire([0])
        #expect(maker.takeForCopies(on: media) == .made(0))
        #expect(opening.map.entry(of: 0) == SegmentMap.Entry(.copying, floor: 1 << 32))
        media.crash()
        // What was not finished is freed.
        let next = try reopened(media)
        #expect(next.retiredSegments == [0] && next.freeSegments == [])
        let again = SegmentMaker(next, SegmentMaker.Options(targetCount: 1))
        #expect(again.blockingStep(on: media) == .made(0))
    }

    @Test func whatWasPunchedIsFilledWithZeros() throws {
        let (media, opening) = try opened()
        let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 2))
        while case .made = maker.blockingStep(on: media) {}
        let layout = LogStoreBuilder.layout
        for (segment, isPunched) in [(0, true), (1, false)] {
            let body = layout.segmentOffset(segment) + 8192..<layout.segmentOffset(segment) + 12_288
            media.alter(body) { $0.initializeMemory(as: UInt8.self, repeating: 7) }
            try reopened(media).map.write([(segment, SegmentMap.Entry(.free, floor: 1, isPunched: isPunched))], to: media)
            let next = try reopened(media)
            let again = SegmentMaker(next, SegmentMaker.Options(targetCount: 2))
            #expect(again.blockingStep(on: media) == .made(segment))
            #expect(!next.map.entry(of: segment).isPunched)
            #expect(Array(media.contents)[body].allSatisfy { $0 == (isPunched ? 0 : 7) })
        }
    }

    @Test func theFileGrowsAsFarAsItMay() throws {
        let (media, opening) = try opened()
        var options = SegmentMaker.Options(targetCount: 10)
        options.bytesMax = LogStoreBuilder.layout.segmentOffset(2)
        let maker = SegmentMaker(opening, options)
        while case .made = maker.blockingStep(on: media) {}
        #expect(opening.parts.pool.count == 2 && !maker.canGrow)
        // Compaction may take what is ready: it gives back more.
        for _ in 0..<2 { #expect(maker.takeForCopies(on: media) != .enough) }
        guard case .noSpace(let reason) = maker.takeForCopies(on: media) else {
            Issue.record("there is no segment left")
            return
        }
        #expect(reason.hasPrefix("the store has reached --max-size"))
        // What is free is used all the same.
        maker.retire([1])
        #expect(maker.takeForCopies(on: media) == .made(1))
        options.bytesMax = nil
        #expect(SegmentMaker(opening, options).canGrow)
        options.mayGrow = false
        #expect(!SegmentMaker(opening, options).canGrow)
    }

    /// A segment in the pool is ready, and one that was retired is free or as before.
    @Test func crashesWhileSegmentsAreReusedLoseNone() throws {
        for seed in 0..<200 as Range<UInt64> {
            let (media, opening) = try opened(seed)
            let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 2))
            while case .made = maker.blockingStep(on: media) {}
            media.faults.writeError = 0.1
            media.faults.flushError = 0.05
            for _ in 0..<4 {
                if let segment = opening.parts.pool.take(for: .writes) { maker.retire([segment]) }
                _ = maker.blockingStep(on: media)
            }
            media.faults = SimulatedMedia.Faults()
            media.crash()
            let examination = try LogStoreBuilder.examine(media)
            #expect(examination.notes.allSatisfy { $0.severity == .damage }, "seed \(seed): \(examination.notes)")
            let next = try StoreOpening(examination, media, StoreOpening.Options(shardCount: 1, wallMilliseconds: 1))
            let again = SegmentMaker(next, SegmentMaker.Options(targetCount: 3))
            while case .made = again.blockingStep(on: media) {}
            #expect(next.parts.pool.count == 3, "seed \(seed)")
        }
    }
}
