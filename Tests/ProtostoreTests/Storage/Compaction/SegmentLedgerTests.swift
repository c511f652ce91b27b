import Testing

@testable import Protostore

@Suite struct SegmentLedgerTests {
    private static let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)!

    /// A ledger of one segment that is filled with copies, of which slots point to `live`.
    private func ledger(valueBytes: Int, records: Int = .max, live: Int = .max, log: Int? = nil) throws -> SegmentLedger {
        let table = try SegmentTable(layout: Self.layout)
        var image = try SegmentImage(layout: Self.layout)
        var header = SegmentHeader(segment: 0, use: 5, storeID: StoreID(high: 1, low: 2), openedMilliseconds: 0)
        header.content = .copies
        image.begin(header)
        var record = Record.Header()
        record.keyBytes = 16
        record.valueBytes = UInt32(valueBytes)
        let value = [UInt8](repeating: 1, count: valueBytes)
        while image.entryCount < records {
            let number = image.entryCount
            let key = (0..<16).map { UInt8(truncatingIfNeeded: number >> ($0 % 4 * 8)) }
            let offset = key.withUnsafeBytes { key in
                image.append(record, key: key, hash: KeyHash(key, namespace: 0, seed: 1)) { $0.copyBytes(from: value) }
            }
            guard let offset else { break }
            let slot = IndexSlot(recordAt: offset, byteCount: record.byteCount, expires: false, layout: Self.layout)
            if number < live, let slot { table.count(slot, isLive: true) }
        }
        image.seal(sealedMilliseconds: 0)
        var ledger = SegmentLedger(table)
        ledger.addSealed(image.currentFooter, log: log)
        return ledger
    }

    /// One byte more than two granules: half a granule of padding per record is far too few.
    @Test(arguments: [57, 1, 500, 1000, 20_000, 40_000])
    func copiesThatAreAllLiveAreNotCopiedAgain(valueBytes: Int) throws {
        let ledger = try ledger(valueBytes: valueBytes)
        #expect(!ledger.isWorthCopying(0, hasRoom: false))
        #expect(ledger.fill(0) <= 1)
    }

    @Test func whatWasSealedEarlyIsWorthIt() throws {
        let ledger = try ledger(valueBytes: 100, records: 20)
        #expect(ledger.isWorthCopying(0, hasRoom: false) && !ledger.isWorthCopying(0, hasRoom: true))
        #expect(ledger.fill(0) < 0.1)
    }

    @Test func aDeadRecordIsReasonEnough() throws {
        let ledger = try ledger(valueBytes: 57, live: 10)
        #expect(ledger.isWorthCopying(0, hasRoom: false))
    }

    @Test func commitsTakeMoreThanCopies() throws {
        #expect(try ledger(valueBytes: 57, log: 0).isWorthCopying(0, hasRoom: false))
    }

    @Test func ageIsCountedInSegments() throws {
        var ledger = try ledger(valueBytes: 57)
        #expect(ledger.age(0) == 1)
        for number in 1...10 { ledger.addSealed(SegmentFooter(segment: UInt64(number), use: 1), log: 0) }
        #expect(ledger.age(0) == 11)
        #expect(ledger.age(10) == 1)
    }
}
