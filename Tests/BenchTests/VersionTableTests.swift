import Testing

@testable import bench

@Suite struct VersionTableTests {
    private let table: VersionTable

    init() throws {
        table = try VersionTable(count: 100, writesInFlight: 16)
    }

    /// The versions that a read sent now may return, if its reply comes now.
    private func possible(_ index: UInt32 = 0) -> [UInt32] {
        let snapshot = table.snapshot(index)
        // Without settling: a question must not change the answer.
        var observing = snapshot
        observing.settling = .never
        return (0...(snapshot.sent + 2)).filter { table.judge(index, version: $0, since: observing) == .possible }
    }

    @Test func anUnwrittenKeyHasItsInitialState() {
        #expect(possible() == [0])
        #expect(!table.isWritten(0))
    }

    @Test func aWriteInFlightMayOrMayNotHaveHappened() {
        #expect(table.send(0) == 1)
        #expect(possible() == [0, 1])
        table.acknowledge(0, version: 1)
        #expect(possible() == [1])
        #expect(possible(1) == [0])
    }

    @Test func overlappingWritesMayComeInAnyOrder() {
        for _ in 1...3 { _ = table.send(0) }
        table.acknowledge(0, version: 3)
        #expect(possible() == [1, 2, 3])
        table.acknowledge(0, version: 1)
        table.acknowledge(0, version: 2)
        #expect(possible() == [1, 2, 3])
        _ = table.send(0)
        table.acknowledge(0, version: 4)
        #expect(possible() == [4])
    }

    /// 1 hangs; 2 comes and goes before 3 does.
    @Test func aGapAboveAWriteInFlightIsKnown() {
        _ = table.send(0)
        _ = table.send(0)
        table.acknowledge(0, version: 2)
        #expect(possible() == [1, 2])
        _ = table.send(0)
        table.acknowledge(0, version: 3)
        #expect(possible() == [1, 3])
    }

    @Test func aReadMayReturnWhatWasThereWhenItWasSent() {
        let early = table.snapshot(0)
        let version = table.send(0)
        table.acknowledge(0, version: version)
        #expect(table.judge(0, version: 0, since: early) == .possible)
        #expect(table.judge(0, version: 1, since: early) == .possible)
        #expect(table.judge(0, version: 0, since: table.snapshot(0)) == .overwritten)
        #expect(table.judge(0, version: 2, since: early) == .neverSent)
    }

    @Test func whatWasReadMayNotGoAway() {
        let version = table.send(0)
        let early = table.snapshot(0)
        #expect(table.judge(0, version: version, since: table.snapshot(0)) == .possible)
        #expect(possible() == [1])
        // A read that was sent before may still return the older one.
        #expect(table.judge(0, version: 0, since: early) == .possible)
    }

    @Test func aReadSettlesNothingWhileOthersAreInFlight() {
        _ = table.send(0)
        _ = table.send(0)
        #expect(table.judge(0, version: 2, since: table.snapshot(0)) == .possible)
        #expect(possible() == [0, 1, 2])
    }

    @Test func aReadOfAQuietKeySettlesIt() {
        _ = table.send(0)
        _ = table.send(0)
        table.acknowledge(0, version: 1)
        table.acknowledge(0, version: 2)
        #expect(possible() == [1, 2])
        #expect(table.judge(0, version: 2, since: table.snapshot(0)) == .possible)
        #expect(possible() == [2])
    }

    /// Beyond 64 versions gaps are not told apart, but nothing possible is refused.
    @Test func farApartVersionsStayPossible() {
        for _ in 1...200 { _ = table.send(0) }
        for version in UInt32(2)...200 { table.acknowledge(0, version: version) }
        #expect(possible().contains(1))
        #expect(possible().contains(200))
        #expect(!possible().contains(0))
    }

    /// Random histories against the definition, in which every version keeps its two times.
    @Test(arguments: 1...40)
    func agreesWithTheDefinition(seed: UInt64) throws {
        let table = try VersionTable(count: 1, writesInFlight: 4)
        var model = HistoryModel()
        var random = SplitMix64(seed: seed)
        var reads: [(VersionTable.Snapshot, HistoryModel.Read)] = []
        for _ in 0..<60 {
            switch random.nextIndex(below: 4) {
            case 0 where model.inFlight.count < 4:
                #expect(table.send(0) == model.send())
            case 1:
                guard let version = model.inFlight.randomElement(using: &random) else { continue }
                table.acknowledge(0, version: version)
                model.acknowledge(version)
            case 2:
                reads.append((table.snapshot(0), model.read()))
            default:
                guard !reads.isEmpty else { continue }
                var (snapshot, read) = reads.remove(at: Int(random.nextIndex(below: UInt32(reads.count))))
                snapshot.settling = .never
                for version in 0...model.sent {
                    let isPossible = table.judge(0, version: version, since: snapshot) == .possible
                    let mustBe = model.isPossible(version, read)
                    // What is possible is never refused; what is not may pass after the key was quiet.
                    #expect(isPossible || !mustBe, "seed \(seed): version \(version)")
                    if read.wasNeverQuietAfterOverlap { #expect(isPossible == mustBe, "seed \(seed): version \(version)") }
                }
            }
        }
    }
}

/// The definition of what a read may return, with all times kept.
private struct HistoryModel {
    struct Read {
        let time: Int
        /// No gap can have been forgotten before the read was sent.
        let wasNeverQuietAfterOverlap: Bool
    }

    private var time = 0
    private var sentAt: [UInt32: Int] = [:]
    private var acknowledgedAt: [UInt32: Int] = [:]
    private var hasOverlapped = false
    private var wasQuietAfterOverlap = false
    private(set) var inFlight: [UInt32] = []
    private(set) var sent: UInt32 = 0

    mutating func send() -> UInt32 {
        sent += 1
        time += 1
        sentAt[sent] = time
        if !inFlight.isEmpty { hasOverlapped = true }
        inFlight.append(sent)
        return sent
    }

    mutating func acknowledge(_ version: UInt32) {
        time += 1
        acknowledgedAt[version] = time
        inFlight.removeAll { $0 == version }
        if inFlight.isEmpty, hasOverlapped { wasQuietAfterOverlap = true }
    }

    mutating func read() -> Read {
        time += 1
        return Read(time: time, wasNeverQuietAfterOverlap: !wasQuietAfterOverlap)
    }

    func isPossible(_ version: UInt32, _ read: Read) -> Bool {
        let end = version == 0 ? 0 : acknowledgedAt[version] ?? .max
        return !sentAt.contains { other, start in start > end && (acknowledgedAt[other] ?? .max) < read.time }
    }
}
