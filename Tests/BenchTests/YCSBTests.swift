import Testing

@testable import bench

@Suite struct YCSBDistributionTests {
    /// YCSB's own constant for ten billion items.
    @Test func zetaOfTenBillionIsTheKnownOne() {
        #expect(abs(Zipfian.zeta(ScrambledZipfian.rankCount) - 26.469_028_201_783_02) < 1e-6)
    }

    /// FNV-1a of eight bytes, computed by hand for 0: eight times the prime.
    @Test func fnvIsTheKnownOne() {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for _ in 0..<8 { hash &*= 1_099_511_628_211 }
        #expect(ScrambledZipfian.fnv(0) == Int64(bitPattern: hash).magnitude)
        // The published FNV-1a of the bytes "foobar" followed by two zeros, by its definition.
        var foobar: UInt64 = 0x8594_4171_F739_67E8
        for _ in 0..<2 { foobar &*= 1_099_511_628_211 }
        #expect(ScrambledZipfian.fnv(0x7261_626F_6F66) == Int64(bitPattern: foobar).magnitude)
    }

    @Test func theHottestKeysHaveTheirFrequencies() {
        let count: UInt32 = 100_000
        let distribution = ScrambledZipfian(count: count)
        var random = SplitMix64(seed: 11)
        let draws = 200_000
        var counts: [UInt32: Int] = [:]
        for _ in 0..<draws { counts[distribution.position(random.nextUnit()), default: 0] += 1 }
        // Rank 0 and 1 are exact: 3.78 % and 1.9 %. Colder ranks add at most what is left for each key.
        for rank in UInt64(0)..<2 {
            let expected = distribution.probability(ofRank: rank) * Double(draws)
            let found = Double(counts[distribution.position(ofRank: rank)] ?? 0)
            #expect(abs(found - expected) < expected * 0.05, "rank \(rank): \(found) of \(expected)")
        }
        #expect(counts.keys.allSatisfy { $0 < count })
        let hottest = counts.max { $0.value < $1.value }
        #expect(hottest?.key == distribution.position(ofRank: 0))
        // A hash, and no permutation: some keys are never asked for.
        #expect(counts.count > 30_000)
    }

    @Test func theLatestRecordIsTheHottest() {
        var latest = SkewedLatest(count: 1_000)
        var random = SplitMix64(seed: 3)
        let draws = 100_000
        var counts = [Int](repeating: 0, count: 1_000)
        for _ in 0..<draws { counts[Int(latest.position(random.nextUnit(), of: 1_000))] += 1 }
        for distance in 0..<2 {
            let expected = latest.probability(ofDistance: UInt64(distance)) * Double(draws)
            #expect(abs(Double(counts[999 - distance]) - expected) < expected * 0.05)
        }
        #expect(counts[0] < counts[999] / 100)
    }

    @Test func theLatestMovesWithTheInsertions() {
        var latest = SkewedLatest(count: 10)
        #expect(latest.position(0, of: 10) == 9)
        #expect(latest.position(0, of: 11) == 10)
        #expect(latest.position(0, of: 50_000) == 49_999)
        #expect(latest.position(1.0.nextDown, of: 50_000) == 0)
    }

    @Test(arguments: [(10, 11), (10, 900), (10, 5_000), (1, 2)] as [(UInt64, UInt64)])
    func growingIsStartingWithMore(from: UInt64, to: UInt64) {
        var grown = Zipfian(count: from)
        grown.grow(to: to)
        let fresh = Zipfian(count: to)
        for rank in [0, 1, to - 1] {
            #expect(abs(grown.probability(ofRank: rank) - fresh.probability(ofRank: rank)) < 1e-12)
        }
        for unit in stride(from: 0.0, to: 1, by: 0.07) { #expect(grown.rank(unit) == fresh.rank(unit)) }
    }
}

@Suite(.noHang, .serialized)
struct YCSBRunTests {
    private static let records: UInt32 = 500

    private func run(
        _ command: YCSBWorkload?, values: [[UInt8]: [UInt8]], operations: Int? = 3_000,
        behavior: TestServer.Behavior = TestServer.Behavior()
    ) throws -> (report: LoadReport, readBack: LoadReport, values: [[UInt8]: [UInt8]]) {
        let server = try TestServer(values: values, behavior)
        defer { server.shutDown() }
        var configuration = LoadConfiguration(
            host: "127.0.0.1", port: server.port, clients: 3, inFlight: 5, threads: 2, warmUpSeconds: 0, seconds: 60)
        configuration.operationsMax = operations
        configuration.verifiesBytes = true
        configuration.writes = LoadConfiguration.Writes(
            readRatio: command?.readRatio ?? 0, readsBeforeWriting: command?.readsBeforeWriting ?? false)
        let extra: UInt32 = command?.inserts == true ? 1_000 : 0
        let keys = try KeySet(
            directory: nil, newKeys: Self.records + extra, newKeySeed: YCSBWorkload.keySeed,
            sizes: .range(bytesMin: 1_000, bytesMax: 1_000))
        let table = try VersionTable(count: keys.count, writesInFlight: 15)
        let ledger = Ledger(keys: keys, table: table, initial: .filled, firstVersion: 77)
        let workload =
            command?.workloads(records: Self.records, table: table, configuration: configuration)
            ?? YCSBWorkload.fill(records: Self.records, configuration: configuration)
        let load = Load(configuration: configuration, keys: keys, ledger: ledger, workload: workload)
        var lines = CollectedLines()
        let report = try LoadRun(load).run(&lines).report
        let readBack = try LoadRun(.readBack(ledger, like: configuration, all: command == nil)).run(&lines).report
        server.shutDown()
        return (report, readBack, server.values)
    }

    @Test(arguments: YCSBWorkload.allCases)
    func aLoadedStoreRunsWithoutMisses(workload: YCSBWorkload) throws {
        let loaded = try run(nil, values: [:], operations: nil)
        #expect(loaded.report.errors == 0, "\(loaded.report.problems)")
        #expect(loaded.report.requests == 500)
        #expect(loaded.readBack.requests == 500)
        #expect(loaded.readBack.errors == 0, "\(loaded.readBack.problems)")
        #expect(loaded.values.count == 500)
        #expect(loaded.values.values.allSatisfy { $0.count == 1_000 })

        let (report, readBack, values) = try run(workload, values: loaded.values)
        #expect(report.errors == 0, "\(report.problems)")
        #expect(report.misses == 0)
        #expect(report.requests == 3_000)
        #expect(readBack.errors == 0, "\(readBack.problems)")
        let reads = Double(report.reads?.requests ?? 0)
        #expect(abs(reads / 3_000 - workload.readRatio) < 0.05)
        #expect(values.count == (workload.inserts ? 500 + Int(report.writes?.requests ?? 0) : 500))
    }

    @Test func anEmptyStoreIsAnError() throws {
        let (report, _, _) = try run(.c, values: [:], operations: 50)
        #expect(report.errors == 50)
        #expect(report.problems.first?.contains("is missing") == true, "\(report.problems)")
    }

    @Test func insertionsAreReadableInOrder() throws {
        let table = try VersionTable(count: 12, writesInFlight: 4)
        let insertions = Insertions(after: 10, limit: 12)
        #expect(insertions.readable(by: table) == 10)
        #expect(insertions.next() == 10)
        #expect(insertions.next() == 11)
        #expect(insertions.next() == nil)
        table.acknowledge(11, version: table.send(11))
        #expect(insertions.readable(by: table) == 10)
        table.acknowledge(10, version: table.send(10))
        #expect(insertions.readable(by: table) == 12)
    }
}
