import Glibc
import Testing

@testable import bench
@testable import Protostore

/// Writing until the server dies, and comparing afterwards.
@Suite(.noHang, .serialized)
struct DurabilityTests {
    private static let layout = LedgerFile.Layout(
        firstVersion: 0x0102_0304, keyCount: 60, valueBytesMin: 16, valueBytesMax: 200, keySeed: 9)

    private let path = "/tmp/BenchTests.\(getpid()).\(UInt64.random(in: 0 ... .max)).ledger"

    /// What is left of a server that died under load, and the ledger's word on it.
    private func killedServer(_ behavior: TestServer.Behavior = TestServer.Behavior(), readRatio: Double = 0) throws
        -> [[UInt8]: [UInt8]]
    {
        var behavior = behavior
        behavior.diesAtRequest = 2_000
        // Acknowledgements stay behind what is stored.
        behavior.delayNanoseconds = 200_000
        let server = try TestServer(values: [:], behavior)
        defer { server.shutDown() }
        let opened = try LedgerFile.create(path, Self.layout, writesInFlight: 32)
        let report = try run(opened.ledger, server.port, readRatio: readRatio)
        #expect(report.errors == 0, "\(report.problems)")
        #expect(report.lostConnections == 4)
        server.shutDown()
        let census = opened.ledger.table.census()
        #expect(census.certain > 50)
        #expect(census.open > 0)
        return server.values
    }

    private func run(_ ledger: Ledger, _ port: UInt16, readRatio: Double = 0) throws -> LoadReport {
        var load = WritingLoad(keyCount: Self.layout.keyCount, readRatio: readRatio, operations: nil)
        load.acceptsLoss = true
        load.seconds = 30
        var lines = CollectedLines()
        return try LoadRun(load.load(ledger, port: port)).run(&lines).report
    }

    /// A server with these values, as after a restart.
    private func verify(_ values: [[UInt8]: [UInt8]]) throws -> LoadReport {
        let opened = try LedgerFile.open(path, writesInFlight: 0)
        defer { withExtendedLifetime(opened) {} }
        return try verify(values, opened.ledger)
    }

    private func verify(_ values: [[UInt8]: [UInt8]], _ ledger: Ledger) throws -> LoadReport {
        let server = try TestServer(values: values)
        defer { server.shutDown() }
        let configuration = LoadConfiguration(
            host: "127.0.0.1", port: server.port, clients: 2, inFlight: 4, seconds: 10)
        var lines = CollectedLines()
        return try LoadRun(.readBack(ledger, like: configuration, all: true)).run(&lines).report
    }

    private func removeLedger() { unlink(path) }

    /// A process that another thread is just starting has all descriptors, until it executes its program.
    @Test func theLockGoesWithItsOwnerWhoeverHasTheDescriptor() throws {
        defer { removeLedger() }
        var copy: CInt = -1
        do {
            let opened = try LedgerFile.create(path, Self.layout, writesInFlight: 1)
            copy = dup(opened.file.rawValue)
            withExtendedLifetime(opened) {}
        }
        #expect(copy >= 0)
        defer { close(copy) }
        _ = try LedgerFile.open(path, writesInFlight: 1)
    }

    @Test(arguments: [0, 0.5])
    func whatWasAcknowledgedIsThere(readRatio: Double) throws {
        defer { removeLedger() }
        let values = try killedServer(readRatio: readRatio)
        let report = try verify(values)
        #expect(report.errors == 0, "\(report.problems)")
        #expect(report.requests == 60)
        // A second restart, and a second run with the same ledger.
        #expect(try verify(values).errors == 0)
        var behavior = TestServer.Behavior()
        behavior.diesAtRequest = 500
        let server = try TestServer(values: values, behavior)
        let opened = try LedgerFile.open(path, writesInFlight: 32)
        let second = try run(opened.ledger, server.port, readRatio: readRatio)
        #expect(second.errors == 0, "\(second.problems)")
        server.shutDown()
        withExtendedLifetime(opened) {}
    }

    @Test func aLostWriteIsFound() throws {
        defer { removeLedger() }
        var values = try killedServer()
        let key = try certainKey()
        values[key] = nil
        let report = try verify(values)
        #expect(report.errors == 1)
        #expect(report.problems.first?.contains("is missing") == true, "\(report.problems)")
    }

    @Test func anOlderVersionIsFound() throws {
        defer { removeLedger() }
        var values = try killedServer()
        let key = try certainKey { ledger, index in ledger.table.snapshot(index).floor > 1 }
        let opened = try LedgerFile.open(path, writesInFlight: 0)
        let index = try #require((0..<60).first { bytes(opened.ledger.keys.key(at: $0)) == key })
        values[key] = value(opened.ledger, Ledger.Write(index: index, version: 1))
        let report = try verify(values, opened.ledger)
        #expect(report.errors == 1)
        #expect(report.problems.first?.contains("overwritten") == true, "\(report.problems)")
    }

    @Test func foreignBytesAreFound() throws {
        defer { removeLedger() }
        var values = try killedServer()
        let key = try certainKey()
        values[key]?[15] ^= 1
        #expect(try verify(values).errors == 1)
    }

    @Test func aVersionThatWasNeverSentIsFound() throws {
        defer { removeLedger() }
        let opened = try LedgerFile.create(path, Self.layout, writesInFlight: 1)
        let invented = value(opened.ledger, Ledger.Write(index: 3, version: 1))
        let key = bytes(opened.ledger.keys.key(at: 3))
        let report = try verify([key: invented], opened.ledger)
        #expect(report.errors == 1)
        #expect(report.requests == 60)
    }

    /// What a read has shown before the kill must be there, acknowledged or not.
    @Test func whatWasReadIsCertain() throws {
        defer { removeLedger() }
        let opened = try LedgerFile.create(path, Self.layout, writesInFlight: 1)
        let write = opened.ledger.next(3)
        let shown = value(opened.ledger, write)
        let snapshot = opened.ledger.table.snapshot(3)
        #expect(shown.withUnsafeBytes { opened.ledger.verdict($0, index: 3, since: snapshot) } == .hit)
        let key = bytes(opened.ledger.keys.key(at: 3))
        #expect(try verify([:], opened.ledger).errors == 1)
        #expect(try verify([key: shown], opened.ledger).errors == 0)
    }

    // MARK: The file

    @Test func theHeaderHasTheseBytes() {
        let bytes = LedgerFile.encode(Self.layout)
        let hex = bytes.prefix(32).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(hex == "50534c4544475231" + "04030201" + "3c000000" + "10000000" + "c8000000" + "0900000000000000")
        #expect(LedgerFile.decode(bytes) == Self.layout)
        for position in bytes.indices {
            var damaged = bytes
            damaged[position] ^= 0x20
            #expect(LedgerFile.decode(damaged) == nil, "byte \(position)")
            #expect(LedgerFile.decode(Array(bytes[..<position])) == nil)
        }
    }

    @Test func damagedAndForeignFilesAreRefused() throws {
        defer { removeLedger() }
        _ = try LedgerFile.create(path, Self.layout, writesInFlight: 1)
        let file = try FileDescriptor.open(path, [.write])
        try file.truncate(byteCount: 4096 + 59 * 8)
        #expect(throws: LedgerFile.Failure.noLedger(path)) { try LedgerFile.open(path, writesInFlight: 1) }
        // A floor above what was sent.
        try file.truncate(byteCount: 4096 + 60 * 8)
        try [UInt8(1), 0, 0, 0].withUnsafeBytes { try file.write($0, at: 4096) }
        #expect(throws: LedgerFile.Failure.noLedger(path)) { try LedgerFile.open(path, writesInFlight: 1) }
    }

    @Test func oneProcessAtATime() throws {
        defer { removeLedger() }
        let opened = try LedgerFile.create(path, Self.layout, writesInFlight: 1)
        #expect(throws: LedgerFile.Failure.inUse(path)) { try LedgerFile.open(path, writesInFlight: 1) }
        withExtendedLifetime(opened) {}
    }

    // MARK: Pieces

    /// A key with a version that must be there.
    private func certainKey(_ suits: (Ledger, UInt32) -> Bool = { _, _ in true }) throws -> [UInt8] {
        let opened = try LedgerFile.open(path, writesInFlight: 0)
        let ledger = opened.ledger
        let index = try #require((0..<60).first { ledger.table.isAcknowledged($0) && suits(ledger, $0) })
        return bytes(ledger.keys.key(at: index))
    }

    private func bytes(_ key: KeySet.Key) -> [UInt8] { key.withBytes { Array($0) } }

    private func value(_ ledger: Ledger, _ write: Ledger.Write) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: ledger.bytes(of: write))
        value.withUnsafeMutableBytes { ledger.fill($0, with: write) }
        return value
    }
}
