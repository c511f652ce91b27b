import Testing

@testable import Protostore

@Suite struct SettingTests {
    // MARK: Sizes

    @Test(arguments: [
        ("0", 0), ("1", 1), ("1024", 1024), ("7b", 7), ("1k", 1000), ("1kb", 1024), ("1KB", 1024), ("3m", 3_000_000),
        ("3mb", 3 << 20), ("1g", 1_000_000_000), ("1Gb", 1 << 30), ("9223372036854775807", Int.max),
        ("8589934591gb", 8_589_934_591 << 30),
    ])
    func sizes(text: String, byteCount: Int) {
        #expect(ByteSize.parse(text) == byteCount)
    }

    @Test(arguments: [
        "", "k", "kb", "-1", "+1", "1.5mb", "1 mb", " 1", "1tb", "0x10", "9223372036854775808", "8589934592gb", "1kbb",
        "１", "1\0",
    ])
    func whatIsNoSize(text: String) {
        #expect(ByteSize.parse(text) == nil)
    }

    @Test func sizesForPeople() {
        #expect([0, 1023, 1024, 1536, 1 << 20, 5 << 30].map(ByteSize.text) == ["0B", "1023B", "1.00K", "1.50K", "1.00M", "5.00G"])
        #expect(ByteSize.text(.max) == "8.00E")
    }

    @Test func decimals() {
        #expect(Decimals.text(0, 2) == "0.00" && Decimals.text(1.005e9, 2) == "1005000000.00")
        #expect(Decimals.text(-0.05, 1) == "-0.1" && Decimals.text(12.3456, 3) == "12.346" && Decimals.text(7.6, 0) == "8")
        for value in [Double.nan, .infinity, -.infinity, 1e300] { #expect(Decimals.text(value, 6) == "0.000000") }
    }

    // MARK: The table

    private func problem(_ name: String, _ text: String) throws -> SettingProblem? {
        let setting = try #require(SettingTable.find(name))
        var configuration = ServerConfiguration(directory: "/data")
        do throws(SettingProblem) {
            try setting.parse(text, into: &configuration)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        ("maxclients", "1", nil), ("maxclients", "0", "1 to 65536 clients are possible"),
        ("maxclients", "many", "a whole number is wanted"), ("maxclients", "", "a whole number is wanted"),
        ("MaxClients", "5", nil), ("timeout", "-1", "0 to 2147483647 seconds are possible"),
        ("port", "65535", nil), ("port", "65536", "0 to 65535 are possible"),
        ("max-value-size", "16mb", nil), ("max-value-size", "17mb", "1 to 16777216 bytes are possible"),
        ("proto-max-bulk-len", "-5", "1 to 16777216 bytes are possible"),
        ("proto-max-bulk-len", "a lot", "a number of bytes is wanted, such as 1048576, 64mb or 1gb"),
        ("protected-mode", "NO", nil), ("protected-mode", "true", nil), ("protected-mode", "maybe", "yes or no is wanted"),
        ("sync", "everysec", nil), ("appendfsync", "no", "one of these is wanted: always, everysec, never"),
        ("stats-interval", "0", nil), ("stats-interval", "nan", "0 (off) or 0.1 to 1000000 seconds are possible"),
        ("sweep-interval", "0", "0.1 to 1000000 seconds are possible"), ("path", "", "a text that is not empty is wanted"),
        ("client-query-buffer-limit", "1kb", "1048576 to 1073741824 bytes are possible"),
        ("client-output-buffer-limit", "64mb", nil), ("client-output-buffer-limit", "normal 1mb 0 0", nil),
        ("client-output-buffer-limit", "normal 1mb 0", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "normal 2mb 1mb 60", "there are hard limits only: the soft one must be 0 0"),
        ("client-output-buffer-limit", "some 1mb 0 0", "Invalid client class specified in buffer limit configuration."),
        ("requirepass", String(repeating: "x", count: 513), "at most 512 bytes are possible"),
    ] as [(String, String, String?)])
    func whatIsPossible(name: String, text: String, possible: String?) throws {
        #expect(try problem(name, text)?.possible == possible)
    }

    /// What a setting says it is, it takes back; and the defaults are all possible.
    @Test(arguments: SettingTable.all.map(\.name)) func eachSettingReadsWhatItWrites(name: String) throws {
        let setting = try #require(SettingTable.find(name))
        let defaults = ServerConfiguration(directory: "/data")
        var configuration = defaults
        let text = setting.text(of: defaults)
        try setting.parse(text, into: &configuration)
        #expect(setting.text(of: configuration) == text)
    }

    @Test func theNearestNames() {
        #expect(SettingTable.namesLike("max-client").first == "maxclients")
        #expect(SettingTable.namesLike("reqirepass") == ["requirepass"])
        #expect(SettingTable.namesLike(String(repeating: "z", count: 100_000)).isEmpty)
        #expect(SettingTable.find("none") == nil)
    }

    // MARK: What settings mean together

    @Test(arguments: [
        ("127.0.0.1", true), ("127.1.2.3", true), ("localhost", true), ("::1", true), ("0.0.0.0", false), ("::", false),
        ("192.0.2.1", false), ("127.example.org", false), ("127.a.b.c", false), ("127.0.0.256", false), ("127..0.1", false), ("example.org", false), ("", false),
    ])
    func onlyLoopbackWithoutAPassword(host: String, isPossible: Bool) {
        var configuration = ServerConfiguration(directory: "/data")
        configuration.host = host
        #expect((configuration.problem == nil) == isPossible)
        configuration.password = ""
        #expect((configuration.problem == nil) == isPossible)
        configuration.password = "secret"
        #expect(configuration.problem == nil)
        configuration.password = nil
        configuration.isProtected = false
        #expect(configuration.problem == nil)
    }
}
