import Testing

@testable import Protostore

/// The simulator itself; `simulate` runs it for longer.
@Suite struct SimulationTests {
    @Test(arguments: seeds(20))
    func noHistoryIsViolated(seed: UInt64) throws {
        var simulation = try Simulation()
        try simulation.run(seed: seed)
        #expect(simulation.figures.crashStates > 0)
    }

    @Test(arguments: seeds(4))
    func damageNeverGivesAWrongValue(seed: UInt64) throws {
        var simulation = try Simulation()
        try simulation.run(.rot, seed: seed * 1000 + seed)
        #expect(simulation.figures.crashStates > 100)
    }

    /// A failing seed is of no use unless it fails again.
    @Test func aSeedAlwaysTellsTheSameStory() throws {
        let stories = try (0..<2).map { _ in
            var story: [String] = []
            var simulation = try Simulation()
            try simulation.run(seed: 78) { story.append($0) }
            return story
        }
        #expect(stories[0] == stories[1] && stories[0].count > 100)
    }

    @Test func collidingKeysAgreeInAllBitsThatTheIndexKnows() {
        for numbers in SimulatedKeys.collisions {
            let hashes = numbers.map { number in
                SimulatedKeys.bytes(ofNumber: number).withUnsafeBytes {
                    KeyHash($0, namespace: 0, seed: SimulatedKeys.hashSeed).index
                }
            }
            #expect(Set(hashes.map { $0 >> 27 }).count == 1 && Set(hashes).count == numbers.count)
        }
    }

    @Test func aDeadFileNeverComesBack() throws {
        let media = SimulatedMedia(byteCount: 8192, seed: 1)
        let file = DoomedFile(media, callsLeft: 2, random: SplitMix64(seed: 1))
        _ = try file.byteCount()
        try file.synchronize()
        #expect(!file.isDead)
        #expect(throws: SystemError.self) { try file.synchronize() }
        #expect(file.isDead)
        #expect(throws: SystemError.self) { try file.byteCount() }
    }
}
