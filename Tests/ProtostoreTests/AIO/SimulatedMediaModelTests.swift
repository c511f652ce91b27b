import Testing

@testable import Protostore

/// The simulated disk against a model that keeps all versions of each sector.
@Suite struct SimulatedMediaModelTests {
    private static let sectorCount = 24

    @Test(arguments: seeds(40))
    func aCrashLeavesOfEachSectorOneOfItsVersions(seed: UInt64) throws {
        let media = SimulatedMedia(byteCount: Self.sectorCount * SimulatedMedia.sectorBytes, seed: seed)
        media.faults.delayTicksMax = 4
        var run = ModelRun(media: media, model: MediaModel(sectorCount: Self.sectorCount), seed: seed)
        for _ in 0..<60 {
            var writer = try MediaWriter(media)
            for _ in 0..<Int.random(in: 1...40, using: &run.random) {
                run.queue(on: &writer)
                try run.collect(from: &writer)
                #expect(sectors(of: media) == run.model.newest)
                media.tick()
            }
            media.crash()
            run.checkAfterCrash()
            let isOver = writer.disk.nextCompletion() == nil && writer.disk.pendingCount == 0
            #expect(isOver)
        }
        #expect(media.changedBufferCount == 0)
    }
}

/// Random writes and flushes, and what the model makes of their completions.
private struct ModelRun {
    private enum Request {
        case write(Range<Int>, UInt8, isDurable: Bool)
        case flush(upTo: Int)
    }

    let media: SimulatedMedia
    var model: MediaModel
    var random: SplitMix64
    private var pending: [UInt32: Request] = [:]

    init(media: SimulatedMedia, model: MediaModel, seed: UInt64) {
        self.media = media
        self.model = model
        random = SplitMix64(seed: ~seed)
    }

    mutating func queue(on writer: inout MediaWriter) {
        guard let token = (0..<16 as Range<UInt32>).first(where: { pending[$0] == nil }) else { return }
        if Int.random(in: 0..<6, using: &random) == 0 {
            writer.flush(token: token)
            pending[token] = .flush(upTo: model.number)
        } else {
            let sectorCount = model.stable.count
            let start = Int.random(in: 0..<sectorCount, using: &random)
            let range = start..<min(sectorCount, start + Int.random(in: 1...16, using: &random))
            let byte = UInt8.random(in: .min ... .max, using: &random)
            let isDurable = Int.random(in: 0..<4, using: &random) == 0
            writer.write(range, byte, isDurable: isDurable, token: token)
            pending[token] = .write(range, byte, isDurable: isDurable)
        }
        writer.disk.submit()
    }

    mutating func collect(from writer: inout MediaWriter) throws {
        while let completion = writer.disk.nextCompletion() {
            let request = pending.removeValue(forKey: completion.token)
            switch try #require(request) {
            case .write(let range, let byte, let isDurable):
                #expect(completion.result == range.count * SimulatedMedia.sectorBytes)
                model.complete(range, byte, isDurable: isDurable)
            case .flush(let number):
                #expect(completion.result == 0)
                model.flush(upTo: number)
            }
        }
    }

    mutating func checkAfterCrash() {
        let survived = sectors(of: media)
        let inFlight = pending.values.compactMap { request -> (sectors: Range<Int>, byte: UInt8)? in
            if case .write(let range, let byte, _) = request { (range, byte) } else { nil }
        }
        for sector in survived.indices {
            #expect(model.allows(survived[sector], at: sector, inFlight: inFlight))
        }
        #expect(media.stableContents.elementsEqual(media.contents) && media.unflushedSectorCount == 0)
        model.restart(survived)
        pending = [:]
    }
}

/// For each sector: what is stable, and what else a crash may leave.
private struct MediaModel {
    struct Version {
        let number: Int
        let byte: UInt8
    }
    var stable: [UInt8]
    var unflushed: [[Version]]
    var newest: [UInt8]
    var number = 0

    init(sectorCount: Int) {
        stable = Array(repeating: 0, count: sectorCount)
        newest = stable
        unflushed = Array(repeating: [], count: sectorCount)
    }

    mutating func complete(_ sectors: Range<Int>, _ byte: UInt8, isDurable: Bool) {
        number += 1
        for sector in sectors {
            newest[sector] = byte
            if isDurable {
                stable[sector] = byte
                unflushed[sector] = []
            } else {
                unflushed[sector].append(Version(number: number, byte: byte))
            }
        }
    }

    mutating func flush(upTo number: Int) {
        for sector in stable.indices {
            if let last = unflushed[sector].last(where: { $0.number <= number }) { stable[sector] = last.byte }
            unflushed[sector].removeAll { $0.number <= number }
        }
    }

    func allows(_ byte: UInt8, at sector: Int, inFlight: [(sectors: Range<Int>, byte: UInt8)]) -> Bool {
        byte == stable[sector] || unflushed[sector].contains { $0.byte == byte }
            || inFlight.contains { $0.sectors.contains(sector) && $0.byte == byte }
    }

    mutating func restart(_ survived: [UInt8]) {
        stable = survived
        newest = survived
        unflushed = Array(repeating: [], count: survived.count)
    }
}
