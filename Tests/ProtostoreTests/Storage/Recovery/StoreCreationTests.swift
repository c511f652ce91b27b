import Foundation
import Testing

@testable import Protostore

/// Stores that are made because there is none, and their lives as files.
@Suite struct StoreCreationTests {
    private func open(
        _ scratch: ScratchDirectory, _ log: LogCollector = LogCollector(), shardCount: Int = 1
    ) throws -> Store {
        var options = Store.Options(directory: scratch.path)
        options.indexDirectory = scratch.indexPath
        options.segmentBytes = 64 << 10
        options.shardCount = shardCount
        return try Store(options, logger: log.logger)
    }

    @Test func anEmptyDirectoryBecomesAStore() throws {
        let scratch = try ScratchDirectory()
        let log = LogCollector()
        let store = try open(scratch, log)
        #expect(log.contains("made an empty store"))
        while case .made = store.planner.maker.blockingStep(on: store.datafile.file) {}
        #expect(store.opening.parts.pool.count == store.planner.maker.targetCount)
        try store.closeUnused()
        #expect(scratch.names == ["protostore.data", "protostore.index"])
    }

    @Test func aCreationThatWasInterruptedIsCompleted() throws {
        for byteCount in [0, 4096, 1 << 20] {
            let scratch = try ScratchDirectory()
            try scratch.write([UInt8](repeating: 0, count: byteCount), to: Datafile.name)
            let log = LogCollector()
            try open(scratch, log).closeUnused()
            #expect(log.contains("made an empty store"))
        }
    }

    @Test(arguments: ["protostore.index", "protostore.toc.uuids", "protostore.unfinished"])
    func otherFilesOfAStoreKeepADirectoryFromBecomingOne(name: String) throws {
        let scratch = try ScratchDirectory()
        try scratch.write([1], to: name)
        #expect(throws: StoreError.self) { try open(scratch) }
        #expect(scratch.names == [name])
    }

    @Test func aDatafileWithSegmentsIsNeverReplaced() throws {
        let scratch = try ScratchDirectory()
        try scratch.write([UInt8](repeating: 0, count: 1 << 20 | 4096), to: Datafile.name)
        #expect(throws: StoreError.undecodable(scratch.file(Datafile.name), .notAStore)) { try open(scratch) }
    }

    @Test func aKilledProcessLeavesItsIndexToTheNext() throws {
        let scratch = try ScratchDirectory()
        do {
            // Neither closed nor abandoned.
            _ = try open(scratch)
        }
        let log = LogCollector()
        try open(scratch, log, shardCount: 2).closeUnused()
        #expect(log.contains("took over the index of the process before"))
        #expect(!log.contains("made an empty store"))
        let after = LogCollector()
        try open(scratch, after).closeUnused()
        #expect(after.contains("loaded the index"))
    }

    @Test func openingStopsWhenItShould() throws {
        let scratch = try ScratchDirectory()
        try StoreBuilderTests.build(StoreBuilderTests.options(scratch, keyCount: 3000))
        try Directory.removeFile(scratch.file(IndexFile.name))
        var options = Store.Options(directory: scratch.path)
        options.indexDirectory = scratch.indexPath
        #expect(throws: StoreError.stopped) { try Store(options, logger: LogCollector().logger) { true } }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.indexPath).isEmpty)
    }
}
