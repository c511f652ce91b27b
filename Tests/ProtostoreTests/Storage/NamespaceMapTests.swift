import Synchronization
import Testing

@testable import Protostore

@Suite struct NamespaceMapTests {
    /// Two databases are exchanged over and over, and all are renewed: whoever reads meanwhile sees
    /// one version, and never an older one than before.
    @Test(.noHang) func nobodySeesHalfOfASwap() throws {
        let map = NamespaceMap()
        let isOver = Atomic<Bool>(false)
        let torn = Atomic<Int>(0)
        let readCount = Atomic<Int>(0)
        try withoutActuallyEscaping({
            var generation: UInt64 = 0
            while !isOver.load(ordering: .acquiring) {
                let version = map.current
                if !Self.isWhole(version) || version.generation < generation { torn.add(1, ordering: .relaxed) }
                generation = version.generation
                readCount.add(1, ordering: .relaxed)
            }
        }) { read in
            // Sendable because it touches atomics and the map alone, and ends before this function does.
            nonisolated(unsafe) let read = read
            let threads = try (0..<3).map { number in try Thread(name: "reader \(number)") { read() } }
            var namespaces = DatabaseNamespaces()
            var round: UInt32 = 0
            while round < 20_000 || readCount.load(ordering: .relaxed) < 20_000 {
                round += 1
                for database in 0..<DatabaseNamespaces.databaseCount { namespaces[database] = round * 16 + UInt32(database) }
                if round % 2 == 0 { namespaces.swap(1, 14) }
                map.publish(namespaces)
            }
            isOver.store(true, ordering: .releasing)
            threads.forEach { $0.blockingJoin() }
        }
        #expect(torn.load(ordering: .relaxed) == 0)
    }

    private static func isWhole(_ version: NamespaceMap.Version) -> Bool {
        let round = version.namespaces[0] / 16
        var expected = DatabaseNamespaces()
        for database in 0..<DatabaseNamespaces.databaseCount { expected[database] = round * 16 + UInt32(database) }
        if round > 0, round % 2 == 0 { expected.swap(1, 14) }
        return version.namespaces == expected
    }

    @Test func eachVersionHasAnotherGeneration() {
        let map = NamespaceMap()
        let before = map.generation
        #expect(map.current.generation == before && map.current.namespaces == DatabaseNamespaces())
        var other = DatabaseNamespaces()
        other.swap(2, 3)
        map.publish(other)
        #expect(map.generation != before && map.current.namespaces == other)
        #expect(map.current.generation == map.generation)
    }
}
