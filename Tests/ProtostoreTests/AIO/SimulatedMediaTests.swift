import Testing

@testable import Protostore

/// The simulated disk by itself: what it promises, what it may forget.
@Suite struct SimulatedMediaTests {
    /// It does forget, and in every way: nothing, all, parts, the older of two.
    @Test func everyKindOfLossHappens() throws {
        var seen: Set<[UInt8]> = []
        for seed in 0..<400 as Range<UInt64> {
            let media = SimulatedMedia(byteCount: 2 * 512, seed: seed)
            var writer = try MediaWriter(media)
            writer.write(0..<2, 1)
            _ = writer.finish()
            writer.write(0..<1, 2)
            _ = writer.finish()
            writer.write(1..<2, 3)
            writer.disk.submit()
            media.crash()
            seen.insert(sectors(of: media))
        }
        let all: Set<[UInt8]> = [
            [0, 0], [0, 1], [0, 3], [1, 0], [1, 1], [1, 3], [2, 0], [2, 1], [2, 3],
        ]
        #expect(seen == all)
    }

    @Test func theSameSeedGivesTheSameFate() throws {
        func run() throws -> [UInt8] {
            let media = SimulatedMedia(byteCount: 64 * 512, seed: 7)
            media.faults.delayTicksMax = 3
            media.faults.writeError = 0.2
            var writer = try MediaWriter(media)
            for token in 0..<16 as Range<UInt32> {
                writer.write(Int(token) * 4..<Int(token) * 4 + 4, UInt8(token + 1), token: token)
            }
            writer.disk.submit()
            media.tick(2)
            while writer.disk.nextCompletion() != nil {}
            media.crash()
            return sectors(of: media)
        }
        #expect(try run() == run())
    }

    // MARK: Faults

    @Test func aFlushCoversWhatWasDoneWhenItWasQueued() throws {
        for seed in 0..<50 as Range<UInt64> {
            let media = SimulatedMedia(byteCount: 4 * 512, seed: seed)
            var writer = try MediaWriter(media)
            writer.write(0..<1, 1, token: 0)
            #expect(writer.finish() == [0: 512])
            writer.write(1..<2, 2, token: 1)
            writer.flush(token: 2)
            #expect(writer.finish() == [1: 512, 2: 0])
            #expect(Array(media.stableContents.prefix(1)) == [1])
            #expect(media.unflushedSectorCount == 1)
            media.crash()
            #expect(sectors(of: media)[0] == 1)
        }
    }

    /// As Linux does: the next flush knows nothing of what the failed one lost.
    @Test func aFailedFlushLosesWhatItCovered() throws {
        var survivals = 0
        for seed in 0..<100 as Range<UInt64> {
            let media = SimulatedMedia(byteCount: 4 * 512, seed: seed)
            var writer = try MediaWriter(media)
            writer.write(0..<1, 1)
            _ = writer.finish()
            media.faults.flushError = 1
            writer.flush()
            #expect(writer.finish() == [0: -5])
            media.faults.flushError = 0
            writer.write(1..<2, 2)
            _ = writer.finish()
            writer.flush()
            #expect(writer.finish() == [0: 0])
            #expect(sectors(of: media) == [1, 2, 0, 0])
            media.crash()
            #expect(sectors(of: media)[1] == 2)
            survivals += Int(sectors(of: media)[0])
        }
        #expect(survivals > 0 && survivals < 100)
    }

    /// A write after the loss makes the sector certain again.
    @Test(arguments: [false, true]) func anotherWriteMakesUpForALoss(isDurable: Bool) throws {
        for seed in 0..<50 as Range<UInt64> {
            let media = SimulatedMedia(byteCount: 8 * 512, seed: seed)
            var writer = try MediaWriter(media)
            media.faults.flushError = 1
            writer.write(0..<8, 1, isDurable: true)
            #expect(writer.finish() == [0: -5])
            media.faults.flushError = 0
            writer.write(2..<4, 2, isDurable: isDurable)
            _ = writer.finish()
            writer.flush()
            #expect(writer.finish() == [0: 0])
            #expect(media.unflushedSectorCount == 6)
            media.crash()
            let survived = sectors(of: media)
            #expect(survived[2] == 2 && survived[3] == 2 && survived.allSatisfy { $0 <= 2 })
        }
    }

    @Test func failedAndShortWritesSaySo() throws {
        let media = SimulatedMedia(byteCount: 16 * 512, seed: 3)
        var writer = try MediaWriter(media)
        var left: Set<Int> = []
        for round in 1...60 as ClosedRange<UInt8> {
            media.faults.writeError = 1
            writer.write(0..<16, round)
            #expect(writer.finish() == [0: -5])
            left.insert(sectors(of: media).count { $0 == round })
        }
        #expect(left.contains(0) && left.contains(16) && left.count > 5)
        media.faults.writeError = 0
        media.faults.shortWrite = 1
        writer.write(0..<16, 200)
        let result = try #require(writer.finish()[0])
        #expect(result > 0 && result < 16 * 512 && result % 512 == 0)
        #expect(sectors(of: media).prefix(result / 512).allSatisfy { $0 == 200 })
        // A single sector is all or nothing.
        writer.write(0..<1, 201)
        #expect(writer.finish() == [0: 512])
        media.faults.writeNoSpace = 1
        writer.write(0..<16, 202)
        #expect(writer.finish() == [0: -28])
        #expect(!sectors(of: media).contains(202))
        #expect(media.faultCounts.writeErrors == 60 && media.faultCounts.shortWrites == 1)
        #expect(media.faultCounts.noSpaces == 1)
    }

    @Test func veryLateCompletionsComeInTheEnd() throws {
        let media = SimulatedMedia(byteCount: 512, seed: 3)
        media.faults.lateCompletion = 1
        media.faults.lateTicksMax = 500
        var writer = try MediaWriter(media)
        for token in 0..<16 as Range<UInt32> { writer.write(0..<1, 1, token: token) }
        #expect(writer.finish().count == 16)
        #expect(media.now > 100 && media.faultCounts.lateCompletions == 16)
    }

    @Test func aBufferThatChangesInFlightIsCounted() throws {
        let media = SimulatedMedia(byteCount: 8 * 512, seed: 3)
        var writer = try MediaWriter(media)
        writer.write(0..<1, 1)
        writer.disk.submit()
        writer.buffer(0).storeBytes(of: 9, as: UInt8.self)
        _ = writer.finish()
        #expect(media.changedBufferCount == 1)
    }

    /// The process is killed: what was submitted is done, and nothing is lost.
    @Test func aDeviceThatGoesFinishesItsWrites() throws {
        let media = SimulatedMedia(byteCount: 8 * 512, seed: 3)
        media.faults.delayTicksMax = 100
        do {
            var writer = try MediaWriter(media)
            writer.write(0..<2, 1, token: 0)
            writer.write(2..<4, 2, isDurable: true, token: 1)
            writer.disk.submit()
            writer.write(4..<6, 3, token: 2)
        }
        #expect(sectors(of: media) == [1, 1, 2, 2, 0, 0, 0, 0])
        #expect(Array(media.stableContents)[2 * 512] == 2 && media.stableContents[0] == 0)
    }

    // MARK: Size

    @Test func theSizeIsStableWithTheNextFlush() throws {
        var sizes: Set<Int> = []
        for seed in 0..<60 as Range<UInt64> {
            let media = SimulatedMedia(byteCount: 1024, capacityBytes: 8192, seed: seed)
            try media.grow(to: 2048)
            try media.synchronize()
            try media.grow(to: 4096)
            try media.grow(to: 8192)
            #expect(try media.byteCount() == 8192)
            media.crash()
            sizes.insert(try media.byteCount())
        }
        #expect(sizes == [2048, 4096, 8192])
    }

    @Test func whatLayBeyondALostSizeIsZeroLater() throws {
        for seed in 0..<40 as Range<UInt64> {
            let media = SimulatedMedia(byteCount: 512, capacityBytes: 4096, seed: seed)
            try media.grow(to: 4096)
            var writer = try MediaWriter(media)
            writer.write(4..<5, 1)
            writer.write(5..<6, 2, isDurable: true, token: 1)
            _ = writer.finish()
            media.crash()
            let size = try media.byteCount()
            #expect(size == 4096 || size == 3072)
            try media.grow(to: 4096)
            let survived = sectors(of: media)
            #expect(survived[5] == 2 && survived[4] <= 1 && survived[6] == 0 && survived[7] == 0)
        }
    }
}
