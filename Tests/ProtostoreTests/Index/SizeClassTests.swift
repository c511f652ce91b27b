import Testing
@testable import Protostore

@Suite struct SizeClassTests {
    /// The table of the file's head, class by class.
    @Test func classesCoverTheDocumentedBytes() {
        let sectors = (1...8).map { $0 * 512 }
        let doublings = (0..<12).flatMap { [6144 << $0, 8192 << $0] }
        let bytes = (0..<32).map { SizeClass(truncating: $0).byteCount }
        #expect(bytes == sectors + doublings)
        #expect(bytes.last == SizeClass.byteCountMax)
    }

    /// At each class's edges the smallest sufficient class is chosen.
    @Test func smallestSufficientClassIsChosen() {
        for index in 0..<32 {
            let bytes = SizeClass(truncating: UInt64(index)).byteCount
            #expect(SizeClass(covering: bytes)?.rawValue == UInt8(index))
            #expect(SizeClass(covering: bytes - 1)?.rawValue == UInt8(index))
            #expect(SizeClass(covering: bytes + 1)?.rawValue == (index == 31 ? nil : UInt8(index + 1)))
        }
        #expect(SizeClass(covering: 1)?.rawValue == 0)
    }

    @Test(arguments: [0, -1, Int.min, SizeClass.byteCountMax + 1, Int.max])
    func whatNoClassCoversIsNil(_ byteCount: Int) {
        #expect(SizeClass(covering: byteCount) == nil)
    }
}

@Suite struct IndexSlotTests {
    @Test func fieldsAreWhereTheTableSaysTheyAre() throws {
        let size = try #require(SizeClass(covering: 6144))
        let slot = IndexSlot(location: 0x1_2345_6789, sizeClass: size, expires: true).tagged(0x1AB_CDEF)
        #expect(slot.rawValue == (0x1AB_CDEF << 39 | 0x1_2345_6789 << 6 | 8 << 1 | 1) as UInt64)
        #expect(slot.tag == 0x1AB_CDEF)
        #expect(slot.location == 0x1_2345_6789)
        #expect(slot.sizeClass == size)
        #expect(slot.expires)
    }

    @Test func emptySlotsAndReservationsMatchNoTag() {
        for tag in [0, 1, 1 << 25 - 1] as [UInt64] {
            #expect(!IndexSlot(rawValue: tag << 39).matches(tag: tag))
            #expect(!IndexSlot.reservation(tag: tag).matches(tag: tag))
            #expect(IndexSlot.reservation(tag: tag).rawValue != 0)
        }
    }
}
