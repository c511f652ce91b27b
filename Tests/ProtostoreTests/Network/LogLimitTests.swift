import Testing

@testable import Protostore

@Suite struct LogLimitTests {
    @Test func tenLinesASecondAndTheNextSaysHowManyWereLeftOut() {
        var limit = LogLimit()
        let start: UInt64 = 5_000_000_000
        for _ in 0..<10 { #expect(limit.admit(at: start) == 0) }
        for offset in 0..<25 as Range<UInt64> { #expect(limit.admit(at: start + offset) == nil) }
        #expect(limit.admit(at: start + 999_999_999) == nil)
        #expect(limit.admit(at: start + 1_000_000_000) == 26)
        for _ in 0..<9 { #expect(limit.admit(at: start + 1_500_000_000) == 0) }
        #expect(limit.admit(at: start + 1_500_000_000) == nil)
        #expect(limit.admit(at: start + 60_000_000_000) == 1)
    }

    @Test func theNoteIsSilentWhereNothingWasLeftOut() {
        #expect(LogLimit.note(0) == "")
        #expect(LogLimit.note(3) == " (3 such lines were left out before this one)")
    }
}
