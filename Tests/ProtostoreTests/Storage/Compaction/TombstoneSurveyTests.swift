import Testing

@testable import Protostore

@Suite struct TombstoneSurveyTests {
    private struct Segment {
        var entries: [SummaryEntry] = []
    }

    private func entry(_ key: UInt64, _ sequence: UInt64, _ kind: Record.Kind) -> SummaryEntry {
        var header = Record.Header()
        header.sequence = sequence
        header.kind = kind
        return SummaryEntry(hash: KeyHash(high: key &* 0x9E37_79B9_7F4A_7C15, low: key), header: header, offset: 4096)
    }

    private func survey(_ segments: [[SummaryEntry]], floor: UInt64) -> DroppableDeletes {
        let sources = segments.indices.filter { segments[$0].contains { $0.kind == .delete } }
        var survey = TombstoneSurvey(floor: floor, sources: sources, segments: Array(segments.indices))
        while let segment = survey.next() { survey.take(segments[segment], of: segment) }
        return survey.end()
    }

    /// Whatever the survey lets go, no older put of a key is without something newer.
    @Test func whatIsDroppedUncoversNothing() {
        for seed in 0..<300 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var segments = (0..<6).map { _ in [SummaryEntry]() }
            for sequence in 1...120 as ClosedRange<UInt64> {
                let key = UInt64.random(in: 0..<30, using: &random)
                let kind: Record.Kind = Bool.random(using: &random) ? .put : .delete
                segments[Int.random(in: 0..<6, using: &random)].append(entry(key, sequence, kind))
                if Int.random(in: 0..<3, using: &random) == 0 { segments[Int.random(in: 0..<6, using: &random)].removeAll() }
            }
            let floor = UInt64.random(in: 50...130, using: &random)
            let droppable = survey(segments, floor: floor)
            let before = segments.joined()
            let after = before.filter { !($0.kind == .delete && $0.sequence <= droppable[$0.hash] ?? 0) }
            for key in 0..<30 as Range<UInt64> {
                let hash = entry(key, 0, .put).hash
                func newest(_ entries: some Sequence<SummaryEntry>) -> SummaryEntry? {
                    entries.filter { $0.hash == hash }.max { $0.sequence < $1.sequence }
                }
                let was = newest(before).flatMap { $0.kind == .put ? $0 : nil }
                let now = newest(after).flatMap { $0.kind == .put ? $0 : nil }
                #expect(was == now, "seed \(seed), key \(key)")
            }
            #expect(droppable.tombstones.allSatisfy { $0.sequence < floor })
        }
    }

    @Test func aDeleteGoesWhereNothingIsOlderOrSomethingIsNewer() {
        let alone = survey([[entry(1, 5, .delete)]], floor: 10)
        #expect(alone.count == 1 && alone.bytes[0] != nil)
        #expect(survey([[entry(1, 5, .delete)], [entry(1, 3, .put)]], floor: 10).count == 0)
        #expect(survey([[entry(1, 5, .delete)], [entry(1, 3, .put), entry(1, 7, .put)]], floor: 10).count == 1)
        #expect(survey([[entry(1, 5, .delete)]], floor: 5).count == 0)
    }

    @Test func whatCannotBeReadDecidesNothing() {
        var survey = TombstoneSurvey(floor: 10, sources: [0], segments: [0, 1])
        survey.take([entry(1, 5, .delete)], of: 0)
        survey.giveUp()
        #expect(survey.next() == nil && survey.end().count == 0)
    }

    /// Of more deletes than fit, each has its turn, and no more memory is taken.
    @Test func windowsCoverAllDeletes() {
        let countMax = 1000
        let deletes = (0..<UInt64(countMax * 11 / 2)).map { entry($0, 5, .delete) }
        var seen = 0
        var start: UInt64 = 0
        var passes = 0
        var memory: [TombstoneSurvey.Tombstone] = []
        repeat {
            var survey = TombstoneSurvey(
                floor: 10, sources: [0], segments: [0], windowStart: start, countMax: countMax, memory: memory)
            while survey.next() != nil { survey.take(deletes, of: 0) }
            start = survey.windowEnd
            var droppable = survey.end()
            #expect(droppable.count <= countMax)
            seen += droppable.count
            memory = droppable.takeMemory()
            #expect(memory.capacity < 3 * countMax)
            passes += 1
        } while start != 0 && passes < 20
        #expect(seen >= deletes.count && passes == 6)
    }
}
