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
        #expect(opening.retiredSegments == [5] && opening.freeSegments == [1, 2, 3, 4, 6, 7])
        #expect(opening.parts.pool.count == 0 && opening.logs[0].previousUse == 1 << 32 | 1)
        let maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: 0))
        #expect(maker.blockingStep(on: builder.media) == .enough && maker.freeCount == 7)
        #expect(opening.map.entry(of: 5) == SegmentMap.Entry(.free, floor: 4 << 32))
        #expect(try builder.examine().segments[5].use == SegmentTable.unknownUse)
    }

    /// What stands behind it was written after it, and is not behind freed segments.
    @Test(arguments: [false, true])
    func nothingCountsBehindAnEmptySegment(isReused: Bool) throws {
        let builder = LogStoreBuilder()
        builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...3)
        builder.add(segment: 1, use: 1 << 32 | 2, previousUse: 1 << 32 | 1, numbers: nil)
        builder.add(segment: 2, use: 1 << 32 | 3, previousUse: 1 << 32 | 2, numbers: 5...5, flushedNumber: 3)
        if isReused { for segment in 0..<3 { builder.entries[segment] = SegmentMap.Entry(.log, floor: 1 << 32) } }
        builder.write()
        #expect(try builder.examine().notes == [.tornEnd(log: 0, after: 3, commits: 1)])
        #expect(try builder.open().logs[0].last == builder.end(3))
        let again = try builder.examine()
        #expect(again.notes == [] && again.segments[2].footer?.lastCommit == builder.end(3))
    }

    // MARK: Freed and reused segments

    /// Old commits, an old footer, and the same of another log: nothing of it ever counts.
    @Test(arguments: [SegmentMap.State.free, .copying, .log])
    func whatAnEarlierUseLeftDoesNotCount(state: SegmentMap.State) throws {
        let expected = try store().index(store().examine())
        for isSealed in [true, false] {
            let old = LogStoreBuilder.leftovers(segment: 4, use: 1 << 32, numbers: 8...9, isSealed: isSealed)
            let builder = store {
                $0.put(old, segment: 4)
                $0.entries[4] = SegmentMap.Entry(state, floor: 1 << 32)
                if state == .log { $0.markReady(segment: 4) }
                for copy in 0..<2 { $0.writeMap(copy: copy) }
            }
            let examination = try builder.examine()
            #expect(examination.notes == [] && examination.logs[0].chain.end == builder.end(7))
            #expect(try builder.index(examination) == expected)
            let opening = try builder.open()
            #expect(opening.parts.pool.count == (state == .log ? 1 : 0))
            #expect(opening.freeSegments.contains(4) == (state == .free))
            #expect(opening.retiredSegments == (state == .copying ? [4] : []))
        }
    }

    /// The log's open segment was used before: its end is torn where something of its own stands
    /// behind, and nowhere else.
    @Test func aReusedSegmentEndsWithItsOwnCommits() throws {
        let old = LogStoreBuilder.leftovers(segment: 2, use: 1 << 32 | 2, numbers: 8...16)
        for state in [Superblock.State.open, .closed] {
            let builder = LogStoreBuilder(state: state)
            builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...4, isSealed: true)
            builder.add(segment: 2, use: 1 << 32 | 3, previousUse: 1 << 32 | 1, numbers: 5...7, over: old)
            builder.entries[2] = SegmentMap.Entry(.log, floor: 1 << 32 | 2)
            if state == .closed { builder.superblock.logEnds = [builder.end(7)] }
            builder.write()
            let examination = try builder.examine()
            #expect(examination.notes == [] && examination.logs[0].chain.end == builder.end(7))
            #expect(examination.segments[2].commits.count == 3)
            let open = try builder.open().logs[0].open
            #expect(open?.segment == (state == .closed ? 2 : nil))
            #expect(try builder.examine().segments[2].footer?.lastCommit == (state == .open ? builder.end(7) : nil))
        }
        let torn = LogStoreBuilder()
        torn.add(segment: 2, use: 1 << 32 | 3, numbers: 1...3, over: old)
        torn.entries[2] = SegmentMap.Entry(.log, floor: 1 << 32 | 2)
        torn.write()
        torn.tear(commit: 3)
        #expect(try torn.examine().notes == [.tornEnd(log: 0, after: 2, commits: 1)])
    }

    /// Header damaged: what is above the floor counts, and nothing else.
    @Test func withoutHeaderTheFloorSaysWhatIsDead() throws {
        let old = LogStoreBuilder.leftovers(segment: 2, use: 1 << 32 | 2, numbers: 8...16)
        let head = LogStoreBuilder.layout.segmentOffset(2)
        let builder = LogStoreBuilder()
        builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...4, isSealed: true)
        builder.add(segment: 2, use: 1 << 32 | 3, numbers: 5...7, over: old)
        builder.add(segment: 3, log: 1, use: 1 << 32 | 2, numbers: 1...2)
        builder.entries[2] = SegmentMap.Entry(.log, floor: 1 << 32 | 2)
        builder.write()
        builder.flip(head + 20)
        let examination = try builder.examine()
        #expect(examination.notes == [.segmentHeader(2)] && examination.segments[2].use == 1 << 32 | 3)
        #expect(try builder.index(examination) == store().index(store().examine()))
        // Its own commits dead, too: it may have held anything.
        builder.entries[2] = SegmentMap.Entry(.log, floor: 1 << 32 | 3)
        for copy in 0..<2 { builder.writeMap(copy: copy, generation: 2) }
        let lost = try builder.examine()
        #expect(lost.notes == [.segmentUnknown(2)] && lost.logs[0].chain.end == builder.end(4))
    }

    /// It may have been opened, and have lost everything.
    @Test func aDamagedReadyMarkIsNoFreeSegment() throws {
        let builder = store {
            $0.entries[4] = SegmentMap.Entry(.log, floor: 0)
            $0.markReady(segment: 4)
            for copy in 0..<2 { $0.writeMap(copy: copy, generation: 2) }
        }
        #expect(try builder.examine().notes == [])
        builder.flip(LogStoreBuilder.layout.segmentOffset(4) + 9)
        let examination = try builder.examine()
        #expect(examination.notes == [.segmentUnknown(4)] && examination.notes.allSatisfy { $0.severity == .lossWithoutIndex })
        let opening = try builder.open()
        #expect(opening.parts.pool.count == 0 && !opening.freeSegments.contains(4) && opening.retiredSegments == [])
    }

    /// A use that the map calls dead, in a segment that is all there.
    @Test func aSealedSegmentNeedsWhatIsAboveItsFloor() throws {
        let builder = store {
            $0.entries[4] = SegmentMap.Entry(.sealed, floor: 1 << 32)
            $0.put(LogStoreBuilder.leftovers(segment: 4, use: 1 << 32, numbers: 1...2), segment: 4)
            for copy in 0..<2 { $0.writeMap(copy: copy, generation: 2) }
        }
        #expect(try builder.examine().notes == [.segmentUnknown(4)])
    }

    /// Any of a log's sealed segments but the newest.
    @Test func aLogGoesOnBehindFreedSegments() throws {
        let builder = LogStoreBuilder()
        for segment in 0..<4 {
            let first = UInt64(segment) * 3 + 1
            builder.add(
                segment: segment, use: 1 << 32 | UInt64(segment + 1), previousUse: segment > 0 ? 1 << 32 | UInt64(segment) : 0,
                numbers: first...(first + 2), isSealed: segment < 3)
        }
        for freed in [[0], [1], [0, 1]] {
            builder.entries = [:]
            for segment in freed { builder.entries[segment] = SegmentMap.Entry(.free, floor: 2 << 32) }
            builder.write()
            let examination = try builder.examine()
            #expect(examination.notes == [] && examination.logs[0].chain.end == builder.end(12), "\(freed)")
            // Without a footer more of the log is looked at.
            builder.flip(LogStoreBuilder.layout.segmentOffset(3) - 4000)
            builder.flip(LogStoreBuilder.layout.segmentOffset(freed.contains(0) ? 2 : 1) - 4000)
            let found = try builder.examine()
            #expect(found.notes.allSatisfy { $0.severity == .notice } && found.logs[0].chain.end == builder.end(12), "\(freed)")
            #expect(found.logs[0].chain.missing.isEmpty && found.logs[0].chain.tornCount == 0)
        }
        // The first commit of the segment behind was not freed with it.
        builder.entries = [1: SegmentMap.Entry(.free, floor: 2 << 32)]
        builder.write()
        builder.zero(commit: 7)
        builder.flip(LogStoreBuilder.layout.segmentOffset(3) - 4000)
        #expect(throws: StoreError.losses("test", [.commitsMissing(log: 0, 7...7)])) { try builder.examine() }
    }

    // MARK: The segment map

    @Test(arguments: [0, 1])
    func aDamagedCopyOfTheMapIsHealed(copy: Int) throws {
        let builder = store { $0.flip(SegmentMap.offset(ofBlock: 0, copy: copy) + 70) }
        #expect(try builder.examine().notes == [.mapCopy(block: 0, copy: copy)])
        _ = try builder.open()
        #expect(try builder.examine().notes == [])
        // The other one alone says the same.
        builder.flip(SegmentMap.offset(ofBlock: 0, copy: 1 - copy) + 70)
        #expect(try builder.examine().logs[0].chain.end == builder.end(7))
    }

    /// Segments are what they hold then; what was freed is there again.
    @Test func aLostMapOpensOnlyIfThatIsAccepted() throws {
        let builder = store { builder in
            builder.put(LogStoreBuilder.leftovers(segment: 4, log: 2, use: 1 << 32, numbers: 1...2), segment: 4)
            for copy in 0..<2 { builder.flip(SegmentMap.offset(ofBlock: 0, copy: copy) + 70) }
        }
        #expect(throws: StoreError.losses("test", [.mapLost(segments: 0...7)])) { try builder.examine() }
        let opening = try builder.open(shardCount: 3, acceptsLoss: true)
        #expect(opening.logEnds[0] == builder.end(7) && opening.logEnds[2].number == 2)
        #expect(opening.freeSegments == [1, 5, 6, 7])
        for segment in [0, 2, 3, 4] { #expect(opening.map.entry(of: segment) == SegmentMap.Entry(.log, floor: 0)) }
        #expect(try builder.examine().notes == [])
    }

    /// A power cut between the copies: the newer one counts, and is not overwritten first.
    @Test func ofTwoCopiesOfTheMapTheNewerOneCounts() throws {
        for newer in 0..<2 {
            let builder = store {
                $0.entries[5] = SegmentMap.Entry(.log, floor: 3)
                $0.markReady(segment: 5)
                $0.writeMap(copy: newer, generation: 2)
            }
            let examination = try builder.examine()
            #expect(examination.notes == [] && examination.map[5] == SegmentMap.Entry(.log, floor: 3))
            #expect(examination.map.blocks[0].spareCopy == 1 - newer)
            #expect(try builder.open().parts.pool.count == 1)
            builder.flip(SegmentMap.offset(ofBlock: 0, copy: newer) + 70)
            #expect(try builder.examine().map[5] == SegmentMap.Entry(.log, floor: 3))
        }
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
