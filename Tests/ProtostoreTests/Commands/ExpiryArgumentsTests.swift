import Testing

@testable import Protostore

/// Times as commands give them, around the ends of what 64 bits count.
@Suite struct ExpiryArgumentsTests {
    static let now: UInt64 = 1_700_000_000_000
    private let notAnInteger = "ERR value is not an integer or out of range"
    private let invalid = "ERR invalid expire time in 'set' command"

    @Test(arguments: [
        ("EX", "10", 1_700_000_010_000 as UInt64), ("px", "10", 1_700_000_000_010), ("ExAt", "10", 10_000), ("PXAT", "1", 1),
        ("EX", "9223370336854775", 9_223_372_036_854_775_000), ("PXAT", "9223372036854775807", UInt64(Int.max)),
        ("EXAT", "9223372036854775", 9_223_372_036_854_775_000), ("PX", "9223370336854775807", UInt64(Int.max)),
    ])
    func aTimeIsTaken(option: String, time: String, moment: UInt64) throws {
        #expect(try momentOf(option, time) == moment)
    }

    @Test(arguments: [
        ("EX", "0"), ("EX", "-1"), ("PX", "0"), ("EXAT", "0"), ("PXAT", "-1"), ("EX", "9223370336854776"),
        ("EX", "9223372036854775"), ("EX", "9223372036854776"), ("EXAT", "9223372036854776"),
        ("PX", "9223370336854775808"), ("PX", "9223372036854775807"), ("EX", "9223372036854775807"),
        ("EX", "-9223372036854775808"),
    ])
    func aTimeIsRefused(option: String, time: String) {
        #expect(refusal { _ = try momentOf(option, time) } == invalid)
    }

    @Test func aTimeIsAnInteger() {
        for text in ["", "a", "1.5", "9223372036854775808"] {
            #expect(refusal { _ = try momentOf("EX", text) } == notAnInteger)
            #expect(refusal { _ = try anyMoment(text, .secondsAt) } == notAnInteger)
        }
    }

    @Test func expireTakesTimesInThePast() throws {
        #expect(try anyMoment("-1", .seconds) == Int(Self.now) - 1000)
        #expect(try anyMoment("0", .secondsAt) == 0)
        #expect(try anyMoment("-9223372036854775", .secondsAt) == -9_223_372_036_854_775_000)
        #expect(try anyMoment("-9223372036854775808", .milliseconds) == Int.min + Int(Self.now))
        #expect(refusal { _ = try anyMoment("-9223372036854776", .secondsAt) } == invalid)
        #expect(refusal { _ = try anyMoment("9223372036854776", .secondsAt) } == invalid)
        #expect(refusal { _ = try anyMoment("9223372036854775807", .milliseconds) } == invalid)
    }

    @Test func otherWordsAreNoUnits() {
        let arguments = OwnedArguments([Array("EXA".utf8), Array("P".utf8)])
        #expect(ExpiryUnit(option: 0, of: arguments.view) == nil)
        #expect(ExpiryUnit(option: 1, of: arguments.view) == nil)
    }

    private func momentOf(_ option: String, _ time: String) throws -> UInt64 {
        let arguments = OwnedArguments([Array(option.utf8), Array(time.utf8)])
        let unit = try #require(ExpiryUnit(option: 0, of: arguments.view))
        return try ExpiryArguments.moment(1, of: arguments.view, in: unit, now: Self.now, command: "set")
    }

    private func anyMoment(_ time: String, _ unit: ExpiryUnit) throws -> Int {
        let arguments = OwnedArguments([Array(time.utf8)])
        return try ExpiryArguments.anyMoment(0, of: arguments.view, in: unit, now: Self.now, command: "set")
    }

    private func refusal(_ body: () throws -> Void) -> String? {
        do {
            try body()
        } catch let refusal as Refusal {
            if case .error(let text) = refusal.reply { return text }
        } catch {}
        return nil
    }
}
