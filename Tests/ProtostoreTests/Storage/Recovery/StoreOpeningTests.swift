import Testing

@testable import Protostore

/// Opening stores that were closed, left open and damaged, over a simulated disk.
@Suite struct StoreOpeningTests {
    /// Two segments of log 0, of which the second is not sealed, and one of log 1.
    private func store(
        _ state: Superblock.State = .open, seed: UInt64 = 1, _ damage: (LogStoreBuilder) -> Void = { _ in }
    ) -> LogStoreBuilder {
        let builder = LogStoreBuilder(state: state, seed: seed)
        builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...4, isSealed: true)
        builder.add(segment: 2, use: 1 << 32 | 3, numbers: 5...7)
        builder.add(segment: 3, log: 1, use: 1 << 32 | 2, numbers: 1...2)
        if state == .closed { builder.superblock.logEnds = [builder.end(7), builder.end(2, log: 1)] }
        builder.write()
        damage(builder)
        return builder
    }

    @Test func anUncleanStopSealsWhatWasOpen() throws {
        let builder = store()
        let opening = try builder.open()
        #expect(opening.logEnds == [builder.end(7), builder.end(2, log: 1)])
        #expect(opening.sealedCount == 2 && opening.logs[0].open == nil)
        #expect(opening.logs[0].last == builder.end(7) && opening.logs[0].previousUse == 1 << 32 | 3)
        #expect(opening.logs[0].sequence == 55)
        #expect(opening.superblock.current.openCounter == 4 && opening.superblock.current.state == .open)
        #expect(opening.parts.uses.next() == 4 << 32 | 1)
        let again = try builder.examine()
        #expect(again.notes == [] && again.segments.filter(\.isUnsealed).isEmpty)
        #expect(again.segments[2].footer?.lastCommit == builder.end(7))
    }

    @Test func aClosedStoreGoesOnInItsOpenSegment() throws {
        let builder = store(.closed)
        let opening = try builder.open()
        let open = try #require(opening.logs[0].open)
        #expect(open.segment == 2 && open.use == 1 << 32 | 3 && open.entries.count == 6)
        #expect(open.space.recordsEnd == builder.segments[2]?.space.recordsEnd)
        // Log 1 has no shard any more.
        #expect(opening.sealedCount == 1 && opening.logEnds[1] == builder.end(2, log: 1))
    }

    @Test func closingAndOpeningAgainChangesNothing() throws {
        let builder = store()
        let first = try builder.open(shardCount: 2)
        let index = try builder.index(builder.examine())
        var saved: [CommitReference] = []
        try first.close(builder.media, logEnds: first.logs.map(\.last)) { saved = $0 }
        #expect(saved == first.logEnds)
        #expect(try builder.examine().superblock.state == .closed)
        let second = try builder.open(shardCount: 2)
        #expect(second.logEnds == first.logEnds && second.superblock.current.openCounter == 5)
        #expect(try builder.index(builder.examine()) == index)
    }

    @Test func aStoreThatFailedIsNotClosed() throws {
        let builder = store()
        let opening = try builder.open()
        opening.parts.health.fail(5)
        #expect(try !opening.close(builder.media, logEnds: opening.logEnds) { _ in Issue.record("saved") })
        #expect(try builder.examine().superblock.state == .open)
    }

    // MARK: Torn and damaged commits

    @Test func aTornEndIsDropped() throws {
        let builder = store { $0.tear(commit: 7) }
        let examination = try builder.examine()
        #expect(examination.notes == [.tornEnd(log: 0, after: 6, commits: 1)])
        let index = try builder.index(examination)
        #expect(try builder.open().logs[0].last == builder.end(6))
        #expect(try builder.examine().logs[0].chain.end == builder.end(6))
        #expect(try builder.index(builder.examine()) == index)
    }

    /// Commit 6 is not the last: it was acknowledged.
    @Test func aDamagedRecordIsReportedAndNothingIsCutOff() throws {
        let builder = store { $0.tear(commit: 6) }
        let examination = try builder.examine()
        #expect(examination.notes == [.commitDamaged(log: 0, 6, records: 1)])
        #expect(examination.logs[0].chain.end == builder.end(7))
        // Its key is answered with an error, and not as missing.
        #expect(try builder.index(examination) == builder.index(store().examine()))
    }

    @Test func aLostCommitOpensOnlyIfThatIsAccepted() throws {
        let builder = store { $0.zero(commit: 6) }
        #expect(throws: StoreError.losses("test", [.commitsMissing(log: 0, 6...6)])) { try builder.examine() }
        #expect(try builder.open(acceptsLoss: true).logEnds[0] == builder.end(7))
        // From then on it is known.
        #expect(try builder.examine().notes == [])
    }

    @Test func anEndThatIsLostIsNotTakenForTheEnd() throws {
        let builder = store(.closed) { $0.zero(commit: 7) }
        #expect(throws: StoreError.losses("test", [.commitsMissing(log: 0, 7...7)])) { try builder.examine() }
        let opening = try builder.open(acceptsLoss: true)
        #expect(opening.logs[0].last.number == 7 && opening.logs[0].open == nil)
    }

    // MARK: Damaged frames

    @Test(arguments: [0, 2, 3], [1, 512])
    func aDamagedHeaderIsMadeUpFor(segment: Int, byteCount: Int) throws {
        let offset = LogStoreBuilder.layout.segmentOffset(segment)
        let builder = store { $0.zero(offset..<(offset + byteCount)) }
        let examination = try builder.examine()
        #expect(examination.notes == [.segmentHeader(segment)])
        #expect(try builder.index(examination) == builder.index(store().examine()))
        #expect(try builder.open(shardCount: 2).logEnds == [builder.end(7), builder.end(2, log: 1)])
    }

    /// Nothing but its later commits says that the segment was ever used.
    @Test func aHeadOfZerosDoesNotHideWhatIsBehindIt() throws {
        let offset = LogStoreBuilder.layout.segmentOffset(2)
        let builder = store { $0.zero(offset..<(offset + 2 * DatafileLayout.blockBytes)) }
        let examination = try builder.examine()
        #expect(examination.segments[2].use == 1 << 32 | 3)
        #expect(examination.notes.contains(.segmentHeader(2)))
        #expect(try builder.index(examination) == builder.index(store().examine()))
        #expect(try builder.open().logEnds[0] == builder.end(7))
    }

    @Test func aDamagedFooterIsWrittenAgain() throws {
        let builder = store { $0.flip(LogStoreBuilder.layout.segmentOffset(1) - 4000) }
        let examination = try builder.examine()
        #expect(examination.segments[0].isUnsealed && examination.logs[0].chain.missing.isEmpty)
        #expect(try builder.index(examination) == builder.index(store().examine()))
        _ = try builder.open()
        #expect(try builder.examine().segments[0].footer?.lastCommit == builder.end(4))
    }

    @Test func aSegmentThatWasOpenedAheadIsFreeAgain() throws {
        let builder = LogStoreBuilder()
        builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...3)
        builder.add(segment: 5, use: 1 << 32 | 2, numbers: nil)
        builder.write()
        let opening = try builder.open()
        #expect(opening.parts.pool.count == 7 && opening.logs[0].previousUse == 1 << 32 | 1)
        #expect(try builder.examine().segments[5].use == SegmentTable.unknownUse)
    }

    /// Freed, it would be missing: the segment behind it names its use.
    @Test func anEmptySegmentStaysWhereALaterOneHoldsSomething() throws {
        let builder = LogStoreBuilder()
        builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...3)
        builder.add(segment: 1, use: 1 << 32 | 2, previousUse: 1 << 32 | 1, numbers: nil)
        builder.add(segment: 2, use: 1 << 32 | 3, previousUse: 1 << 32 | 2, numbers: 4...4)
        builder.write()
        builder.tear(commit: 4)
        #expect(try builder.open().logs[0].last == builder.end(3))
        let again = try builder.examine()
        #expect(again.notes == [] && again.segments[1].footer?.lastCommit == builder.end(3))
    }

    @Test(arguments: [0, 1])
    func aDamagedSuperblockIsHealed(copy: Int) throws {
        let builder = store { $0.flip(DatafileLayout.superblockOffsets[copy] + 60) }
        #expect(try builder.examine().notes == [.superblockCopy(copy)])
        _ = try builder.open()
        #expect(try builder.examine().notes == [])
    }

    // MARK: Faults

    @Test func errorsOfReadsThatPassDoNotMatter() throws {
        let expected = try store().examine().logs.map(\.chain.end)
        var examined = 0
        for seed in 0..<200 as Range<UInt64> {
            let builder = store(seed: seed)
            builder.media.faults.readError = 0.01
            builder.media.faults.flippedBit = 0.01
            // An error that comes twice is refused.
            guard let examination = try? builder.examine() else { continue }
            examined += 1
            #expect(examination.logs.map(\.chain.end) == expected, "seed \(seed)")
        }
        #expect(examined > 150)
    }

    /// A power cut after any write of an opening: the next one finds the same.
    @Test func aCrashWhileOpeningChangesNothing() throws {
        let builder = store { $0.tear(commit: 7) }
        let image = Array(builder.media.contents)
        let index = try builder.index(builder.examine())
        for seed in 0..<300 as Range<UInt64> {
            let media = image.withUnsafeBytes { SimulatedMedia(copying: $0, seed: seed) }
            let examination = try LogStoreBuilder.examine(media)
            media.faults.writeError = 0.15
            media.faults.flushError = 0.1
            let opening = try? StoreOpening(
                examination, media, StoreOpening.Options(shardCount: 1, wallMilliseconds: 1))
            media.faults = SimulatedMedia.Faults()
            media.crash()
            let next = try LogStoreBuilder.examine(media)
            #expect(next.logs.map(\.chain.end) == examination.logs.map(\.chain.end), "seed \(seed)")
            #expect(next.superblock.openCounter >= opening?.superblock.current.openCounter ?? 3)
            #expect(try LogStoreBuilder.index(next, media) == index, "seed \(seed)")
        }
    }
}
