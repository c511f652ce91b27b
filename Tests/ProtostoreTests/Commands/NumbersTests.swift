import Testing

@testable import Protostore

/// Numbers in text: what is one, and how it is printed.
@Suite struct NumbersTests {
    @Test(arguments: [
        ("0", 0), ("7", 7), ("-1", -1), ("10", 10), ("9223372036854775807", Int.max),
        ("-9223372036854775808", Int.min), ("-9223372036854775807", -Int.max),
    ])
    func anIntegerHasOneSpelling(text: String, integer: Int) {
        #expect(parsed(text) == integer)
        #expect(IntegerText.text(integer) == Array(text.utf8))
    }

    @Test(arguments: [
        "", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0", "0x1", "a", "1a", "--1", "1-", "/", ":", "1\0",
        "9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999",
        "000000000000000000001",
    ])
    func everythingElseIsNone(text: String) {
        #expect(parsed(text) == nil)
    }

    private func parsed(_ text: String) -> Int? { Array(text.utf8).withUnsafeBytes { IntegerText.integer($0) } }

    @Test func aWordHasAnyCaseAndEndsAtAZeroByte() {
        let arguments = OwnedArguments(["nX", "NX\0a", "NXA", "N", "", "N\u{7f}"].map { Array($0.utf8) })
        #expect((0..<6).map { arguments.view.isWord($0, "NX") } == [true, true, false, false, false, false])
    }

    // MARK: Long doubles

    #if arch(x86_64)
        @Test(arguments: [
            ("3.0e3", "3000"), ("0.1", "0.1"), ("-0", "0"), ("-0.000", "0"), (".5", "0.5"), ("5.", "5"), ("+1", "1"),
            ("0x10", "16"), ("0x1p-2", "0.25"), ("1e-17", "0.00000000000000001"), ("1e-18", "0"), ("-1e-18", "0"),
            ("9223372036854775807", "9223372036854775807"), ("1e20", "100000000000000000000"), ("3e-4945", "0"),
            ("1.23456789012345678901", "1.23456789012345679"),
        ])
        func aLongDoublePrintsAsInC(text: String, printed: String) {
            #expect(longDouble(text).map { String(decoding: LongDoubleText.text($0), as: UTF8.self) } == printed)
        }
    #endif

    @Test(arguments: [
        "", " 1", "1 ", "\t1", "a", "1a", "1e5000", "-1e5000", "1e-5000", "nan", "-nan", "nan(1)", "1\0", "0x", "1,5",
        "--1", "1.5.5", String(repeating: "1", count: 5120),
    ])
    func theseAreNoLongDoubles(text: String) {
        #expect(longDouble(text) == nil)
    }

    @Test func infinityIsANumber() {
        #expect(longDouble("inf")?.isInfinite == true)
        #expect(longDouble("-INFINITY")?.isInfinite == true)
    }

    @Test func theLargestLongDoubleHasRoom() {
        #expect(LongDoubleText.text(.greatestFiniteMagnitude).count > 300)
    }

    private func longDouble(_ text: String) -> LongDouble? {
        Array(text.utf8).withUnsafeBytes { LongDoubleText.number($0) }
    }
}
