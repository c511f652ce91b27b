import Testing

@testable import bench

/// Reads and writes against a server in the same process: one that is right, and
/// ones that are wrong in each way that the ledger must notice.
@Suite(.noHang, .serialized)
struct MixedRunTests {
    @Test(arguments: [
        WritingLoad(), WritingLoad(readRatio: 0), WritingLoad(readRatio: 1),
        WritingLoad(sizes: .range(bytesMin: 0, bytesMax: 12)), WritingLoad(sizes: .range(bytesMin: 1, bytesMax: 20_000)),
        WritingLoad(clients: 5, inFlight: 16, threads: 3), WritingLoad(isHot: true), WritingLoad(keyCount: 2, threads: 2),
        WritingLoad(clients: 8, inFlight: 64, threads: 2, operations: 6_000, isHot: true),
    ])
    func aRightServerPasses(load: WritingLoad) throws {
        var behavior = TestServer.Behavior()
        behavior.isReversed = true
        let outcome = try load.run(behavior)
        #expect(outcome.report.errors == 0, "\(outcome.report.problems)")
        #expect(outcome.readBack.errors == 0, "\(outcome.readBack.problems)")
        #expect(outcome.report.requests == load.operations)
        let census = outcome.ledger.table.census()
        #expect(outcome.readBack.requests == census.written)
        #expect(census.written == census.certain)
        let reads = outcome.report.reads?.requests ?? 0, writes = outcome.report.writes?.requests ?? 0
        #expect(reads + writes == load.operations)
        #expect(abs(Double(reads) / Double(reads + writes) - load.readRatio) < 0.06)
    }

    @Test func delayedRepliesPass() throws {
        var behavior = TestServer.Behavior()
        behavior.delayNanoseconds = 3_000_000
        behavior.bytesPerTurn = 999
        let outcome = try WritingLoad(keyCount: 3, operations: 1_000).run(behavior)
        #expect(outcome.report.errors == 0, "\(outcome.report.problems)")
        #expect(outcome.readBack.errors == 0, "\(outcome.readBack.problems)")
    }

    @Test func readModifyWritesAreOneOperation() throws {
        let load = WritingLoad(clients: 3, inFlight: 7, threads: 2, change: { _, _ in .readModifyWrite })
        let outcome = try load.run()
        #expect(outcome.report.errors == 0, "\(outcome.report.problems)")
        #expect(outcome.readBack.errors == 0, "\(outcome.readBack.problems)")
        #expect(outcome.report.requests == 3_000)
        let parts = outcome.report.parts
        #expect(parts.map(\.kind) == [.read, .readModifyWrite])
        #expect(parts.map(\.operations.requests).reduce(0, +) == 3_000)
        #expect(parts[1].operations.requests > 1_000)
    }

    /// More room in flight than the buffer of requests has: writes wait in line, none is lost.
    @Test func longReadModifyWritesWaitForRoom() throws {
        let load = WritingLoad(
            readRatio: 0, sizes: .range(bytesMin: 60_000, bytesMax: 65_535), clients: 1, inFlight: 64, operations: 400,
            change: { _, _ in .readModifyWrite })
        let outcome = try load.run()
        #expect(outcome.report.errors == 0, "\(outcome.report.problems)")
        #expect(outcome.report.requests == 400)
        #expect(outcome.readBack.errors == 0, "\(outcome.readBack.problems)")
    }

    /// What an earlier run left is accepted if it is said to be there, and not otherwise.
    @Test func anEarlierRunsValuesNeedTheirFlag() throws {
        let left = try WritingLoad(readRatio: 0).run().values
        var second = WritingLoad(readRatio: 0.9, operations: 300)
        second.firstVersion = 5_000_000
        #expect(try second.run(values: left).report.errors > 0)
        second.initial = .unknown
        let outcome = try second.run(values: left)
        #expect(outcome.report.errors == 0, "\(outcome.report.problems)")
        #expect(outcome.readBack.errors == 0, "\(outcome.readBack.problems)")
    }

    // MARK: Faults

    @Test func aLostAcknowledgedWriteIsFound() throws {
        var behavior = TestServer.Behavior()
        behavior.alter = { number, value in number == 999 ? nil : value }
        // One at a time: the version before is certainly overwritten.
        let outcome = try WritingLoad(readRatio: 0, clients: 1, inFlight: 1, operations: 1_000).run(behavior)
        #expect(outcome.report.errors == 0)
        #expect(outcome.readBack.errors == 1, "\(outcome.readBack.problems)")
    }

    @Test func lostWritesOfAHotKeyAreFoundByTheNextRead() throws {
        var behavior = TestServer.Behavior()
        behavior.alter = { number, value in number % 10 == 9 ? nil : value }
        let load = WritingLoad(clients: 1, inFlight: 1, operations: 1_000, isHot: true)
        let outcome = try load.run(behavior)
        #expect(outcome.report.errors >= 1)
        #expect(outcome.report.problems.first?.contains("overwritten") == true, "\(outcome.report.problems)")
    }

    @Test func staleReadsAreFound() throws {
        var behavior = TestServer.Behavior()
        behavior.choose = { $0.dropLast().last ?? $0.last }
        let outcome = try WritingLoad(clients: 2, inFlight: 2).run(behavior)
        #expect(outcome.report.errors > 100)
        #expect(outcome.report.problems.first?.contains("overwritten") == true, "\(outcome.report.problems)")
        // All keys but those whose last two writes overlapped.
        #expect(outcome.readBack.errors > 40)
    }

    @Test func aFlippedBitIsFound() throws {
        var behavior = TestServer.Behavior()
        behavior.alter = { number, value in number % 50 == 49 ? value.dropLast() + [value.last! ^ 4] : value }
        let outcome = try WritingLoad().run(behavior)
        #expect(outcome.report.errors > 0)
        #expect(outcome.report.problems.first?.contains("are not its value") == true, "\(outcome.report.problems)")
    }

    @Test func aShortenedValueIsFound() throws {
        var behavior = TestServer.Behavior()
        behavior.alter = { number, value in Array(value.dropLast(number % 50 == 0 ? 1 : 0)) }
        let outcome = try WritingLoad().run(behavior)
        #expect(outcome.report.errors > 0)
        #expect(outcome.report.problems.first?.contains("instead of 100") == true, "\(outcome.report.problems)")
    }

    @Test func anotherKeysValueIsFound() throws {
        let ledger = try WritingLoad().makeLedger()
        var other = [UInt8](repeating: 0, count: 100)
        other.withUnsafeMutableBytes { ledger.fill($0, with: Ledger.Write(index: 3, version: 1)) }
        var behavior = TestServer.Behavior()
        behavior.alter = { [other] number, value in number == 999 ? other : value }
        let outcome = try WritingLoad(readRatio: 0, clients: 1, inFlight: 1, operations: 1_000).run(behavior)
        #expect(outcome.readBack.errors == 1, "\(outcome.readBack.problems)")
    }

    /// Half of one version and half of another.
    @Test func aTornValueIsFound() throws {
        let old = try WritingLoad(keyCount: 1, readRatio: 0, operations: 1).run().values
        let torn = old.mapValues { Array($0[..<50]) + [UInt8](repeating: 0, count: 50) }
        let ledger = try WritingLoad(keyCount: 1, initial: .unknown).makeLedger()
        let verdict = try #require(torn.values.first).withUnsafeBytes {
            ledger.verdict($0, index: 0, since: ledger.table.snapshot(0))
        }
        #expect(verdict == .wrong(.value))
    }

    @Test func aMissingKeyIsFound() throws {
        var behavior = TestServer.Behavior()
        behavior.choose = { _ in nil }
        let outcome = try WritingLoad(readRatio: 0).run(behavior)
        #expect(outcome.readBack.errors == 50)
        #expect(outcome.readBack.problems.first?.contains("is missing") == true, "\(outcome.readBack.problems)")
    }

    @Test func anAcknowledgementWithABodyIsAnError() throws {
        var behavior = TestServer.Behavior()
        behavior.falsify = { number, reply in number == 10 ? Array(reply[..<4]) + [0, 1, 9] : reply }
        let outcome = try WritingLoad(readRatio: 0, operations: 50).run(behavior)
        #expect(outcome.report.errors == 1)
        #expect(outcome.report.problems.first?.contains("acknowledgement") == true, "\(outcome.report.problems)")
    }
}
