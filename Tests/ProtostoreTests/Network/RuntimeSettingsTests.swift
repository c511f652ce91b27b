import Testing

@testable import Protostore

@Suite struct RuntimeSettingsTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func matches(_ settings: RuntimeSettings, _ text: String) -> Bool {
        bytes(text).withUnsafeBytes { settings.matches(password: $0) }
    }

    private func set(_ settings: RuntimeSettings, _ text: String) {
        bytes(text).withUnsafeBytes { settings.setPassword($0) }
    }

    @Test func everyValueIsReadBack() {
        var values = RuntimeSettings.Values()
        values.clientsMax = 1
        values.timeoutSeconds = 2
        values.tcpKeepAliveSeconds = 3
        values.bulkBytesMax = 4
        values.queryBufferBytesMax = 5
        values.outputBufferBytesMax = 6
        values.slowLogMicroseconds = -1
        values.slowLogEntriesMax = 8
        values.latencyThresholdMilliseconds = 9
        values.isProtected = false
        values.allowsNative = true
        #expect(RuntimeSettings(values).values == values)
        let settings = RuntimeSettings()
        let before = settings.generation
        settings.apply(values)
        #expect(settings.values == values)
        #expect(settings.generation != before)
    }

    // MARK: Passwords

    @Test func aPasswordIsAsked() {
        let settings = RuntimeSettings()
        #expect(!settings.requiresPassword && settings.servesNative && matches(settings, "anything"))
        set(settings, "secret")
        #expect(settings.requiresPassword && !settings.servesNative)
        #expect(matches(settings, "secret"))
        for wrong in ["", "secre", "secret ", "Secret", "secret\0"] { #expect(!matches(settings, wrong)) }
        var values = settings.values
        values.allowsNative = true
        settings.apply(values)
        #expect(settings.requiresPassword && settings.servesNative)
        set(settings, "")
        #expect(!settings.requiresPassword && matches(settings, "secret"))
    }

    /// Equal passwords have different hashes.
    @Test func hashesAreSalted() {
        let password = bytes("secret")
        let texts = (0..<2).map { _ in password.withUnsafeBytes { "\(PasswordHash(of: $0))" } }
        #expect(texts[0] != texts[1])
    }

    /// Nothing that can be reached from the settings holds the password's bytes, in any order of
    /// nesting.
    @Test func noPlainPasswordIsKept() {
        let secret = "correct horse battery staple"
        let hash = bytes(secret).withUnsafeBytes { PasswordHash(of: $0) }
        var fields = 0
        search(hash, for: bytes(secret), fields: &fields)
        #expect(fields >= 2)
        let settings = RuntimeSettings()
        set(settings, secret)
        search(settings, for: bytes(secret), fields: &fields)
        var text = ""
        dump(settings, to: &text)
        dump(hash, to: &text)
        #expect(!text.contains(secret) && !text.contains("horse"))
    }

    private func search(_ value: Any, for secret: [UInt8], fields: inout Int, depth: Int = 0) {
        guard depth < 12 else { return }
        for child in Mirror(reflecting: value).children {
            fields += 1
            if let text = child.value as? String { #expect(!text.contains("horse")) }
            if let bytes = child.value as? [UInt8] {
                #expect(!bytes.isEmpty && bytes != secret)
            } else {
                search(child.value, for: secret, fields: &fields, depth: depth + 1)
            }
        }
    }

    // MARK: Clients

    @Test func noMoreClientsThanMayBe() {
        let settings = RuntimeSettings()
        var values = settings.values
        values.clientsMax = 2
        settings.apply(values)
        #expect(settings.admitClient() && settings.admitClient() && !settings.admitClient())
        settings.clientsWent(1)
        #expect(settings.admitClient() && !settings.admitClient() && settings.clientCount == 2)
        settings.clientsWent(2)
        #expect(settings.clientCount == 0)
    }

    @Test func otherMachinesAreDenied() {
        for own in ["127.0.0.1:1", "127.9.9.9:2", "::1:3", "[::1]:4", "::ffff:127.0.0.1:5"] {
            #expect(RuntimeSettings.isLoopback(own), "\(own)")
        }
        for other in ["192.0.2.1:1", "::2:3", "10.127.0.1:4", "", "1127.0.0.1:5", "::10:6"] {
            #expect(!RuntimeSettings.isLoopback(other), "\(other)")
        }
        let settings = RuntimeSettings()
        #expect(settings.deniesOtherMachines)
        set(settings, "secret")
        #expect(!settings.deniesOtherMachines)
    }

    // MARK: What was slow

    private func note(_ log: SlowLog, _ arguments: [[UInt8]], max: Int = 3) {
        let owned = OwnedArguments(arguments)
        withExtendedLifetime(owned) {
            log.note(owned.view, microseconds: 7, address: "127.0.0.1:1", clientName: "me", entriesMax: max)
        }
    }

    @Test func theSlowLogIsBounded() throws {
        let log = SlowLog()
        for number in 0..<5 { note(log, [bytes("GET"), bytes("\(number)")]) }
        #expect(log.count == 3)
        #expect(log.newest(2).map(\.id) == [4, 3])
        #expect(log.newest(.max).map(\.id) == [4, 3, 2] && log.newest(-1).isEmpty)
        note(log, [bytes("GET")], max: 0)
        #expect(log.count == 0)
        note(log, [bytes("GET")])
        #expect(log.newest(1).first?.id == 6)
        log.reset()
        #expect(log.count == 0)
        log.trim(to: -5)
    }

    @Test func longRequestsAreShortened() throws {
        let log = SlowLog()
        note(log, (0..<40).map { _ in [UInt8](repeating: 65, count: 200) })
        let entry = try #require(log.newest(1).first)
        #expect(entry.arguments.count == 32)
        #expect(entry.arguments[0] == [UInt8](repeating: 65, count: 128) + bytes("... (72 more bytes)"))
        #expect(entry.arguments[31] == bytes("... (9 more arguments)"))
    }

    @Test func latenciesKeepTheLongestOfASecond() {
        let monitor = LatencyMonitor()
        for (second, milliseconds) in [(1, 5), (1, 9), (1, 2), (2, 4)] as [(UInt64, UInt64)] {
            monitor.note("command", milliseconds: milliseconds, seconds: second)
        }
        #expect(monitor.all.first?.samples == [.init(seconds: 1, milliseconds: 9), .init(seconds: 2, milliseconds: 4)])
        for second in 3..<400 { monitor.note("command", milliseconds: 1, seconds: UInt64(second)) }
        #expect(monitor.all.first?.samples.count == 160 && monitor.all.first?.millisecondsMax == 9)
        monitor.note("fast-command", milliseconds: 1)
        #expect(monitor.reset(["command", "none"]) == 1 && monitor.all.map(\.event) == ["fast-command"])
        #expect(monitor.reset() == 1 && monitor.all.isEmpty)
    }

    // MARK: Counters

    @Test func commandsAreCountedOverLoops() {
        var first = CommandStatistics(commandCount: 3)
        first.note(1, nanoseconds: 2000)
        first.note(1, nanoseconds: 4000, failed: true)
        first.note(3, nanoseconds: 1)
        first.note(-1, nanoseconds: 1)
        first.noteRejected(2)
        first.noteError("ERR syntax error")
        first.noteError("WRONGTYPE Operation")
        var sum = CommandStatistics()
        sum.add(first)
        sum.add(first)
        #expect(sum.counters[1].calls == 4 && sum.counters[1].nanoseconds == 12_000 && sum.counters[1].failed == 2)
        #expect(sum.counters[2].rejected == 2 && sum.counters[0] == CommandStatistics.Counters())
        #expect(sum.latencies[1]?.count == 4 && sum.latencies[0] == nil)
        #expect(sum.errors.map(\.code) == ["ERR", "WRONGTYPE"] && sum.errors.map(\.count) == [2, 2] && sum.errorCount == 4)
        for number in 0..<1000 { sum.noteError("E\(number) x") }
        #expect(sum.errors.count <= 128 && sum.errorCount == 1004)
        sum.reset()
        #expect(sum.counters.count == 3 && sum.errorCount == 0)
    }

    @Test func histogramsByPowersOfTwo() {
        var latency = LatencyHistogram()
        for microseconds in [1, 3, 3, 100] as [UInt64] { latency.record(nanoseconds: microseconds * 1000) }
        let steps = latency.cumulativeMicroseconds
        #expect(steps.map(\.count) == [1, 3, 4])
        #expect(steps.map(\.microseconds) == [1, 4, 128])
    }
}
