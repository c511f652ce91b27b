import Testing

@testable import Protostore

/// Where the server's index comes from, and what it leaves behind.
@Suite(.noHang) struct ServerIndexTests {
    @Test func aRebuiltIndexIsSavedForTheNextStart() throws {
        // The store is locked as long as its server exists.
        let scratch = try rebuildAndStop()
        let log = LogCollector()
        var options = Store.Options(directory: scratch.path)
        options.indexDirectory = scratch.indexPath
        options.shardCount = 3
        let store = try Store(options, logger: log.logger)
        #expect(log.contains("loaded the index"))
        try store.closeUnused()
    }

    private func rebuildAndStop() throws -> ScratchDirectory {
        let server = try TestServer(prepare: { try Directory.removeFile($0.file(IndexFile.name)) })
        #expect(server.log.contains("rebuilt the index of \(TestServer.keyCount) keys"))
        #expect(try server.connect().get(server.key(1))?.body == server.value(1))
        #expect(!Directory.fileExists(server.scratch.file(IndexFile.name)))
        server.stop()
        #expect(Directory.fileExists(server.scratch.file(IndexFile.name)))
        return server.scratch
    }

    /// Answering "missing" for keys that were lost would not be true.
    @Test func lostSegmentsWithoutAnIndexAreRefusedUnlessAccepted() throws {
        func damage(_ scratch: ScratchDirectory) throws {
            try Directory.removeFile(scratch.file(IndexFile.name))
            let layout = DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64)!
            let footer = layout.segmentOffset(1) + layout.segmentBytes - DatafileLayout.blockBytes
            let file = try FileDescriptor.open(scratch.file(Datafile.name), .write)
            try withUnsafeBytes(of: UInt64(0)) { try file.write($0, at: footer) }
        }
        let error = #expect(throws: StoreError.self) { _ = try TestServer(prepare: damage) }
        guard case .losses(_, [.recordsUnknown(segment: 1)]) = error else {
            Issue.record("refused for another reason: \(String(describing: error))")
            return
        }
        let server = try TestServer(prepare: damage, configure: { $0.acceptsLoss = true })
        let client = try server.connect()
        let found = (0..<TestServer.keyCount).count { client.get(server.key($0))?.body == server.value($0) && server.toc.length(at: $0) > 0 }
        // Without a summary the records are found one by one.
        #expect(found == (0..<TestServer.keyCount).count { server.toc.length(at: $0) > 0 })
    }

    @Test(arguments: [0, 1])
    func busyPollingServesAsWell(aioThreads: Int) throws {
        let server = try TestServer(configure: {
            $0.busyPollMicroseconds = 200
            $0.aioThreads = aioThreads
        })
        let client = try server.connect()
        for number in 0..<200 { #expect(client.get(server.key(number))?.body == server.value(number)) }
    }
}
