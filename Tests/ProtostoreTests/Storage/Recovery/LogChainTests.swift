import Testing

@testable import Protostore

/// Where logs end, decided over lists of commits.
@Suite struct LogChainTests {
    private func commit(
        _ number: UInt64, isWhole: Bool = true, flushed: UInt64? = nil, variant: UInt64 = 0, isFirst: Bool = false
    ) -> LogChain.Commit {
        LogChain.Commit(
            reference: reference(number, variant), previousChecksum: number == 1 ? 0 : number + 99,
            flushedNumber: flushed ?? number - 1, isWhole: isWhole, isFirst: isFirst)
    }

    private func reference(_ number: UInt64, _ variant: UInt64 = 0) -> CommitReference {
        CommitReference(number: number, checksum: number + 100 + variant * 1000)
    }

    private func segment(
        _ use: UInt64, _ commits: [LogChain.Commit]?, sealed: UInt64? = nil, previousUse: UInt64? = nil,
        isEmpty: Bool = false
    ) -> LogChain.Segment {
        LogChain.Segment(
            use: use, previousUse: previousUse, sealed: sealed.map { reference($0) }, isEmpty: isEmpty, commits: commits)
    }

    private func chain(_ segments: [LogChain.Segment], known: UInt64 = 0, isClosed: Bool = false) -> LogChain {
        LogChain(segments, known: known == 0 ? .none : reference(known), isClosed: isClosed)
    }

    @Test func anEmptyLogEndsBeforeItsFirstCommit() {
        #expect(chain([]).end == .none)
        #expect(chain([segment(1, [])]).accepted == [0..<0])
    }

    @Test func aWholeLogEndsWithItsLastCommit() {
        let found = chain([segment(1, nil, sealed: 4), segment(2, [commit(5), commit(6)])])
        #expect(found.end == reference(6) && found.missing.isEmpty && found.tornCount == 0)
        #expect(found.accepted == [0..<0, 0..<2] && found.ends == [reference(4), reference(6)])
    }

    @Test func theLastCommitIsDroppedIfItIsNotWhole() {
        let found = chain([segment(1, [commit(1), commit(2), commit(3, isWhole: false)])])
        #expect(found.end == reference(2) && found.tornCount == 1 && found.missing.isEmpty)
    }

    /// Commit 3 was on stable storage before commit 4 was written.
    @Test func aDamagedCommitBeforeAValidSuccessorCounts() {
        let found = chain([segment(1, [commit(1), commit(2), commit(3, isWhole: false), commit(4)])])
        #expect(found.end == reference(4) && found.accepted == [0..<4])
    }

    @Test func aMissingCommitBeforeAValidSuccessorIsALoss() {
        let found = chain([segment(1, [commit(1), commit(4)])])
        #expect(found.end == reference(4) && found.missing == [2...3])
    }

    /// Without flushes in between (`--sync everysec`) the disk writes in any order.
    @Test func nothingCountsBehindAGapThatWasNotFlushed() {
        let commits = [1, 2, 4, 5].map { commit($0, flushed: min($0 - 1, 1)) }
        let found = chain([segment(1, commits)])
        #expect(found.end == reference(2) && found.tornCount == 2 && found.missing.isEmpty)
    }

    @Test func aCommitThatFollowsAnotherOneIsNoSuccessor() {
        var stranger = commit(3, flushed: 1)
        stranger.previousChecksum = 5
        let found = chain([segment(1, [commit(1), commit(2), stranger])])
        #expect(found.end == reference(2) && found.tornCount == 1 && found.broken.isEmpty)
    }

    @Test func aClosedLogEndsWhereTheSuperblockSays() {
        let found = chain([segment(1, [commit(1), commit(2), commit(3)])], known: 2, isClosed: true)
        #expect(found.end == reference(2) && found.accepted == [0..<2])
        let lost = chain([segment(1, [commit(1)])], known: 3, isClosed: true)
        #expect(lost.end == reference(3) && lost.missing == [2...3])
    }

    @Test func whatWasThereAtTheLastOpeningMustBeThere() {
        let found = chain([segment(1, [commit(1), commit(2), commit(3, isWhole: false)])], known: 3)
        #expect(found.end == reference(3) && found.accepted == [0..<3] && found.missing.isEmpty)
    }

    /// Commit 3 was torn, dropped, and written again elsewhere.
    @Test func aNumberThatIsUsedAgainCountsInItsNewPlace() {
        let torn = [commit(3, isWhole: false, variant: 1), commit(4, flushed: 1, variant: 1)]
        let found = chain([
            segment(1, [commit(1), commit(2)] + torn), segment(2, [commit(3), commit(4)], sealed: 4),
            segment(3, [commit(5)]),
        ])
        #expect(found.end == reference(5) && found.accepted == [0..<2, 0..<2, 0..<1])
        #expect(found.missing.isEmpty && found.broken.isEmpty)
    }

    @Test func commitsBehindASealedSegmentsLastAreNotTaken() {
        let found = chain([
            segment(1, [commit(1), commit(2, isWhole: false, variant: 1)], sealed: 1), segment(2, [commit(2), commit(3)]),
        ])
        #expect(found.end == reference(3) && found.accepted == [0..<1, 0..<2] && found.broken.isEmpty)
    }

    // MARK: Freed segments

    /// Of use 2: the header of the next one names it. Or, where that is damaged, the
    /// segment in front is sealed.
    @Test(arguments: [2, nil] as [UInt64?])
    func numbersMayJumpWhereASegmentWasFreed(previousUse: UInt64?) {
        let behind = [commit(9, isFirst: true), commit(10)]
        for sealed in [nil, 10] as [UInt64?] {
            let found = chain([segment(1, nil, sealed: 4), segment(3, behind, sealed: sealed, previousUse: previousUse)])
            #expect(found.end == reference(10) && found.missing.isEmpty && found.broken.isEmpty && found.tornCount == 0)
            #expect(found.accepted == [0..<0, 0..<2] && found.followsFreed[1])
        }
        // All in front of it.
        let oldest = chain([segment(3, behind, sealed: 10, previousUse: previousUse)])
        #expect(oldest.end == reference(10) && oldest.missing.isEmpty)
    }

    /// The segment in front has lost its footer: that one behind it was freed shows that it was sealed.
    @Test func anUnsealedSegmentInFrontOfFreedOnesWasSealed() {
        let front = segment(1, [commit(3, isFirst: true), commit(4)], previousUse: 7)
        let found = chain([front, segment(3, [commit(9, isFirst: true)], previousUse: 2)])
        #expect(found.end == reference(9) && found.missing.isEmpty && found.accepted == [0..<2, 0..<1])
    }

    @Test func betweenNeighboursNoNumberMayBeMissing() {
        let behind = [commit(9, isFirst: true), commit(10)]
        for front in [segment(1, nil, sealed: 4), segment(1, [commit(4, isFirst: true)], previousUse: 7)] {
            let found = chain([front, segment(3, behind, previousUse: 1)])
            #expect(found.end == reference(10) && found.missing == [5...8])
        }
        // Nothing says that they are neighbours, but an unsealed segment's is never freed.
        let found = chain([segment(1, [commit(4, isFirst: true)], previousUse: 7), segment(3, behind)])
        #expect(found.missing == [5...8])
    }

    /// Something stood in front of it in its segment; how much was freed before is not known.
    @Test func aFirstCommitThatIsNotFirstHasLostTheOneInFront() {
        let found = chain([segment(1, nil, sealed: 4), segment(3, [commit(9), commit(10)], sealed: 10, previousUse: 2)])
        #expect(found.end == reference(10) && found.missing == [8...8])
    }

    @Test func withinASegmentNumbersNeverJump() {
        let found = chain([segment(3, [commit(9, isFirst: true), commit(12, isFirst: true)], previousUse: 2)])
        #expect(found.missing == [10...11])
    }

    /// Behind a segment that was opened and holds nothing: it is there, and was not freed.
    @Test func anEmptySegmentIsNotAFreedOne() {
        let segments = [
            segment(1, nil, sealed: 4), segment(3, [commit(9, flushed: 4, isFirst: true), commit(10, flushed: 4)], previousUse: 2),
        ]
        #expect(chain(segments).end == reference(10))
        let found = LogChain(segments, emptyUses: [2], known: .none, isClosed: false)
        #expect(found.end == reference(4) && found.tornCount == 2 && found.missing.isEmpty)
    }

    /// Sealed by an opening behind a torn end, and the oldest that is left.
    @Test func aSealedSegmentWithoutCommitsHasLostNone() {
        let empty = chain([segment(3, [], sealed: 8, previousUse: 2, isEmpty: true), segment(4, [commit(9)], previousUse: 3)])
        #expect(empty.end == reference(9) && empty.missing.isEmpty)
        let lost = chain([segment(3, [], sealed: 8, previousUse: 2), segment(4, [commit(9)], previousUse: 3)])
        #expect(lost.end == reference(9) && lost.missing == [8...8])
    }

    /// The newest sealed segment of a log is never freed.
    @Test func anEndThatIsNotThereIsALossWhateverWasFreed() {
        let found = chain([segment(3, nil, sealed: 8, previousUse: 2)], known: 9)
        #expect(found.end == reference(9) && found.missing == [9...9])
    }

    /// Any subset of the writes behind the last flush: what is flushed is never cut
    /// off, and what counts is a log without gaps.
    @Test func flushedCommitsAreNeverDropped() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<2000 {
            let count = UInt64.random(in: 1...12, using: &random)
            let flushed = UInt64.random(in: 0...count, using: &random)
            var segments = [segment(1, [])]
            for number in 1...count {
                if Int.random(in: 0..<4, using: &random) == 0 {
                    segments.append(segment(UInt64(segments.count) + 1, [], previousUse: UInt64(segments.count)))
                }
                guard number <= flushed || Bool.random(using: &random) else { continue }
                let isWhole = number <= flushed || Bool.random(using: &random)
                let proven = UInt64.random(in: 0...min(flushed, number - 1), using: &random)
                segments[segments.count - 1].commits?.append(commit(number, isWhole: isWhole, flushed: proven))
            }
            let found = chain(segments, known: flushed)
            #expect(found.end.number >= flushed && found.missing.isEmpty && found.broken.isEmpty)
            let numbers = zip(segments, found.accepted).flatMap { segment, range in
                (segment.commits ?? [])[range].map(\.reference.number)
            }
            #expect(numbers == (0..<found.end.number).map { $0 + 1 })
        }
    }
}
