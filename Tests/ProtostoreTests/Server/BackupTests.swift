import Foundation
import Synchronization
import Testing

@testable import Protostore

/// Copies of stores: of a server under load, of closed and killed ones, and of one that
/// needs its space.
@Suite(.noHang) struct BackupTests {
    /// One client that writes versions 1, 2, ... to its keys in turn, each when the one
    /// before was acknowledged.
    private final class OrderedWriter: Sendable {
        static let keyCount = 40
        let acknowledged = Atomic<Int>(0)
        let isStopped = Atomic<Bool>(false)
        private let thread = Mutex<Protostore.Thread?>(nil)
        private let valueBytes: Int

        init(port: UInt16, valueBytes: Int) throws {
            self.valueBytes = valueBytes
            let thread = try Protostore.Thread(name: "writer") { self.run(port) }
            self.thread.withLock { $0 = thread }
        }

        static func key(_ version: Int) -> [UInt8] { WrittenBytes.key(7, version % keyCount) }

        private func run(_ port: UInt16) {
            guard let client = try? TestClient(port: port) else { return }
            var version = 0
            while !isStopped.load(ordering: .relaxed) {
                version += 1
                let value = withUnsafeBytes(of: UInt64(version)) { [UInt8]($0) } + [UInt8](repeating: 1, count: valueBytes)
                client.send(
                    TestClient.request(
                        Self.key(version), id: UInt32(version), type: UInt8(ascii: "W"), length: UInt32(21 + value.count)) + value)
                guard client.receiveResponse() != nil else { return }
                acknowledged.store(version, ordering: .releasing)
            }
        }

        /// Waits until it has written so many more.
        func waits(forWrites count: Int) -> Bool {
            let start = acknowledged.load(ordering: .acquiring)
            for _ in 0..<60_000 {
                if acknowledged.load(ordering: .acquiring) >= start + count { return true }
                Clock.blockingSleep(nanoseconds: 5_000_000)
            }
            return false
        }

        func stop() {
            isStopped.store(true, ordering: .relaxed)
            thread.withLock { thread in
                thread?.blockingJoin()
                thread = nil
            }
        }

        /// By key, the version that a server has; 0 = none.
        static func versions(port: UInt16) throws -> [Int] {
            let client = try TestClient(port: port)
            return try (0..<keyCount).map { key in
                let body = try #require(client.get(Self.key(key), id: UInt32(key))).body
                return body.isEmpty ? 0 : Int(body.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
            }
        }
    }

    private func start(_ path: String, _ more: [String] = []) throws -> RunProgram {
        try RunProgram(
            ["--path", path, "--port", "0", "--index-path", path, "--segment-bytes", "65536", "--stats-interval", "0"] + more)
    }

    private func expectWhole(_ path: String) throws {
        let report = try StoreCheck.blockingRun(directory: path)
        #expect(report.isWhole, "\(report.lines)")
    }

    // MARK: Served stores

    @Test(arguments: [["--num-aio-threads", "3"], ["--num-tcp-threads", "2"], ["--num-aio-threads", "2", "--sync", "never"]])
    func theCopyIsAsOfOneMoment(options: [String]) throws {
        let store = try ScratchDirectory()
        let server = try start(store.path, options)
        let writer = try OrderedWriter(port: server.port(), valueBytes: 500)
        #expect(writer.waits(forWrites: 200))
        for number in 1...4 {
            let before = writer.acknowledged.load(ordering: .acquiring)
            let report = try BackupClient.blockingRun(directory: store.path, to: store.file("copy-\(number)")) { _, _ in }
            #expect(report.isOnline && report.findings.isEmpty && report.byteCount > 0)
            let after = writer.acknowledged.load(ordering: .acquiring)
            try expectWhole(store.file("copy-\(number)"))
            let copy = try start(store.file("copy-\(number)"), options)
            let versions = try OrderedWriter.versions(port: copy.port())
            let last = try #require(versions.max())
            #expect(last >= before && last <= after + 1, "\(before) \(last) \(after)")
            for key in 0..<OrderedWriter.keyCount {
                let expected = last - (last - key) % OrderedWriter.keyCount
                #expect(versions[key] == max(expected, 0), "as of \(last), key \(key)")
            }
            #expect(writer.waits(forWrites: 50))
        }
        writer.stop()
        server.signal(SIGTERM)
        #expect(try server.blockingWait() == 0)
        #expect(!store.names.contains(AdminSocket.name))
    }

    /// Segments that only the backup holds are given to the writes.
    @Test func itGivesUpBeforeWritesDo() throws {
        let store = try ScratchDirectory()
        let server = try start(store.path, ["--max-size", "\(6 << 20)"])
        let writer = try OrderedWriter(port: server.port(), valueBytes: 3000)
        #expect(writer.waits(forWrites: 800))
        #expect(throws: BackupClient.Failure.refused("\(BackupError.gaveUp)")) {
            try BackupClient.blockingRun(directory: store.path, to: store.file("copy"), bytesPerSecondMax: 500) { _, _ in }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: store.file("copy")).isEmpty)
        #expect(writer.waits(forWrites: 800))
        writer.stop()
        #expect(!server.complaint.contains("refused"), "\(server.complaint)")
        server.signal(SIGTERM)
        #expect(try server.blockingWait() == 0)
        try expectWhole(store.path)
    }

    @Test func aServerThatStopsEndsTheBackup() throws {
        let store = try RunTests.makeStore()
        let server = try start(store.path)
        _ = try server.port()
        let backup = try RunProgram(["backup", "--path", store.path, "--to", store.file("copy"), "--rate", "0.1"])
        #expect(server.waits(for: "backing up to"))
        server.signal(SIGTERM)
        #expect(try server.blockingWait() == 0)
        #expect(try backup.blockingWait() == 2)
        #expect(backup.complaint == "run backup: the server is stopping\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: store.file("copy")).isEmpty)
    }

    // MARK: Stores that nobody serves

    @Test(arguments: [SIGTERM, SIGKILL]) func aStoppedStoreIsCopiedAsItIs(end: Int32) throws {
        let test = try StoreUnderTest(seed: 5)
        try test.fill(test.start(["--num-aio-threads", "3"]), end: end)
        let before = try test.store.read("protostore.data")
        let copy = try ScratchDirectory()
        let report = try BackupClient.blockingRun(directory: test.store.path, to: copy.path) { _, _ in }
        #expect(!report.isOnline && report.findings.isEmpty)
        #expect(try test.store.read("protostore.data") == before)
        try expectWhole(copy.path)
        let server = try start(copy.path, ["--num-aio-threads", "2"])
        try test.writers.verify(port: server.port(), "the copy")
        try test.verifyToTheEnd()
    }

    // MARK: The program

    @Test func theProgramSaysWhatItDid() throws {
        let store = try RunTests.makeStore()
        let server = try RunTests.start(store)
        _ = try server.port()
        let done = try RunProgram(["backup", "--path", store.path, "--to", store.file("copy")])
        #expect(try done.blockingWait() == 0)
        #expect(done.output.hasPrefix("copied: ") && done.output.contains("\nas of: commit 0 of 1 logs\n"), "\(done.output)")
        let again = try RunProgram(["backup", "--path", store.path, "--to", store.file("copy")])
        #expect(try again.blockingWait() == 2)
        #expect(again.complaint.contains("copy/protostore.data exists already"), "\(again.complaint)")
        let onto = try RunProgram(["backup", "--path", store.path, "--to", store.path])
        #expect(try onto.blockingWait() == 2 && onto.complaint.contains("is in use by another process"))
        let nowhere = try RunProgram(["backup", "--path", store.path, "--to", store.file("no/copy")])
        #expect(try nowhere.blockingWait() == 2 && nowhere.complaint.contains("No such file"), "\(nowhere.complaint)")
        let copy = try start(store.file("copy"))
        let port = try copy.port()
        for number in [0, 500, 999] { #expect(try RunTests.serves(store, number, port: port)) }
    }
}
