import Foundation
import Testing

@testable import Protostore

/// A kill at each named moment (``Failpoint``): the next start finds everything that was
/// acknowledged.
@Suite(.noHang) struct FailpointTests {
    /// What happens before the moment is waited for.
    enum Stage: Sendable {
        /// There is no store yet.
        case creation
        /// Clients write.
        case load
        /// The program is stopped.
        case closing
        /// It starts after a kill, with the index of the process before or without.
        case openingKilled, openingWithoutIndex
        /// It starts after a clean stop.
        case openingClosed
    }

    struct Kill: Sendable, CustomTestStringConvertible {
        let stage: Stage
        let moment: Failpoint
        var count = 1
        var arguments: [String] = []
        var testDescription: String { "\(moment):\(count), \(stage) \(arguments.joined(separator: " "))" }
        var environment: [String: String] { ["PROTOSTORE_FAILPOINT": "\(moment):\(count)"] }
    }

    private static let everysec = ["--sync", "everysec"]
    /// So that segments have to be freed.
    private static let small = ["--max-size", "8000000"]

    static let kills: [Kill] = [
        Kill(stage: .creation, moment: .afterCreationGrow),
        Kill(stage: .creation, moment: .beforeSuperblockWrite),
        Kill(stage: .creation, moment: .afterFirstSuperblockCopy),
        Kill(stage: .creation, moment: .afterSecondSuperblockCopy),
        // The opening of the new store, and its first segments.
        Kill(stage: .creation, moment: .beforeSuperblockWrite, count: 3),
        Kill(stage: .creation, moment: .afterGrow),
        Kill(stage: .creation, moment: .afterSegmentCount, count: 2),
        Kill(stage: .load, moment: .beforeHeaderWrite),
        Kill(stage: .load, moment: .beforeHeaderWrite, count: 4),
        Kill(stage: .load, moment: .afterHeaderDurable),
        Kill(stage: .load, moment: .afterHeaderDurable, count: 5),
        Kill(stage: .load, moment: .beforeCommitWrite),
        Kill(stage: .load, moment: .beforeCommitWrite, count: 60),
        Kill(stage: .load, moment: .afterCommitSubmitted, count: 40),
        Kill(stage: .load, moment: .afterCommitDurable),
        Kill(stage: .load, moment: .afterCommitDurable, count: 30),
        Kill(stage: .load, moment: .betweenSlots, count: 50),
        Kill(stage: .load, moment: .afterSlots, count: 30),
        Kill(stage: .load, moment: .afterApplied, count: 30),
        Kill(stage: .load, moment: .beforeFlush, arguments: everysec),
        Kill(stage: .load, moment: .afterFlush, arguments: everysec),
        Kill(stage: .load, moment: .beforeSummaryWrite),
        Kill(stage: .load, moment: .beforeSummaryWrite, count: 3),
        Kill(stage: .load, moment: .afterSummaryDurable),
        Kill(stage: .load, moment: .afterSummaryDurable, count: 3, arguments: everysec),
        Kill(stage: .load, moment: .afterGrow, count: 12),
        Kill(stage: .load, moment: .afterReadyMark, count: 12),
        Kill(stage: .load, moment: .afterGrowFlush, count: 12),
        Kill(stage: .load, moment: .afterFirstMapCopy, count: 12),
        Kill(stage: .load, moment: .afterSecondMapCopy, count: 12),
        Kill(stage: .load, moment: .afterFirstSuperblockCopy, count: 16),
        Kill(stage: .load, moment: .afterSegmentCount, count: 12),
        Kill(stage: .load, moment: .beforeCopyWrite, arguments: small),
        Kill(stage: .load, moment: .beforeCopyFlush, arguments: small),
        Kill(stage: .load, moment: .afterCopyFlush, count: 2, arguments: small),
        Kill(stage: .load, moment: .beforeCopiesMarked, arguments: small),
        Kill(stage: .load, moment: .afterCopiesMarked, arguments: small),
        Kill(stage: .load, moment: .afterCopiesMarked, count: 3, arguments: small),
        Kill(stage: .load, moment: .betweenMoves, arguments: small),
        Kill(stage: .load, moment: .betweenMoves, count: 20, arguments: small),
        Kill(stage: .load, moment: .beforeFree, count: 2, arguments: small),
        Kill(stage: .load, moment: .afterFree, count: 4, arguments: small),
        Kill(stage: .closing, moment: .afterClosingFlush),
        Kill(stage: .closing, moment: .afterIndexWrite),
        Kill(stage: .closing, moment: .afterIndexSaved),
        Kill(stage: .closing, moment: .afterClosedSuperblock),
        Kill(stage: .openingKilled, moment: .afterReplay),
        Kill(stage: .openingKilled, moment: .afterOpeningFlush),
        Kill(stage: .openingKilled, moment: .afterOpeningSummaries),
        Kill(stage: .openingKilled, moment: .betweenOpeningFooters),
        Kill(stage: .openingKilled, moment: .afterOpeningSeals),
        Kill(stage: .openingKilled, moment: .afterFirstSuperblockCopy),
        Kill(stage: .openingKilled, moment: .beforeLiveIndex),
        Kill(stage: .openingKilled, moment: .afterLiveIndex),
        Kill(stage: .openingWithoutIndex, moment: .afterRebuild),
        Kill(stage: .openingWithoutIndex, moment: .beforeLiveIndex),
        Kill(stage: .openingClosed, moment: .afterIndexLoad),
        Kill(stage: .openingClosed, moment: .afterFirstSuperblockCopy),
        Kill(stage: .openingClosed, moment: .beforeLiveIndex),
        Kill(stage: .openingClosed, moment: .afterLiveIndex),
    ]

    @Test func everyMomentHasItsKill() {
        #expect(Set(Self.kills.map(\.moment)) == Set(Failpoint.allCases))
    }

    @Test(arguments: kills) func whatWasAcknowledgedIsThere(after kill: Kill) throws {
        let test = try StoreUnderTest(clients: 2)
        if kill.stage == .closing || kill.stage == .load {
            try loadAndDie(test, kill)
        } else {
            try prepare(test, kill.stage)
            // Killed at the same moment twice: opening is interrupted, and so is the next.
            for _ in 0..<2 {
                let program = try test.start(["--num-aio-threads", "2"] + kill.arguments, environment: kill.environment)
                try test.finish(program, exitCode: -SIGKILL)
                if kill.stage != .creation { try test.check() }
                guard kill.isRepeatable else { break }
            }
        }
        // Life goes on.
        let program = try test.startVerified()
        try test.load(program, answers: 150, end: SIGKILL)
        try test.verifyToTheEnd()
    }

    private func loadAndDie(_ test: StoreUnderTest, _ kill: Kill) throws {
        let program = try test.start(["--num-aio-threads", "2"] + kill.arguments, environment: kill.environment)
        try test.writers.start(port: program.port())
        if kill.stage == .closing {
            test.writers.waits(forAnswers: 300)
            program.signal(SIGTERM)
        }
        try test.finish(program, exitCode: -SIGKILL)
        try test.check()
    }

    private func prepare(_ test: StoreUnderTest, _ stage: Stage) throws {
        guard stage != .creation else { return }
        let program = try test.start(["--num-aio-threads", "2"])
        try test.load(program, answers: 600, end: stage == .openingClosed ? SIGTERM : SIGKILL)
        if stage == .openingWithoutIndex, let path = test.indexPath { try Directory.removeFile(path) }
    }
}

extension FailpointTests.Kill {
    /// Whether the next start comes to the same moment again.
    fileprivate var isRepeatable: Bool {
        switch stage {
        case .creation: moment == .afterCreationGrow
        case .openingKilled, .openingWithoutIndex: ![.betweenOpeningFooters, .afterOpeningSummaries, .afterLiveIndex].contains(moment)
        default: false
        }
    }
}
