import Testing

@testable import Protostore

/// What redis-server cannot be asked: times that are exact, and figures of our own.
@Suite struct KeyCommandsTests {
    private static let now: UInt64 = 1_700_000_000_400

    private func text(_ reply: Reply) -> String { String(decoding: ReplyText.version2(reply).dropLast(2), as: UTF8.self) }

    private func model(_ expiry: UInt64 = 0) -> CommandModel {
        var model = CommandModel()
        model.values[KeyName(namespace: 0, bytes: [97])] = CommandModel.Value(bytes: [49], expiryMilliseconds: expiry)
        return model
    }

    static let times: [(line: String, expiry: UInt64, answer: String)] = [
        ("ttl a", 0, ":-1"), ("ttl x", 0, ":-2"), ("ttl a", now + 1499, ":1"), ("ttl a", now + 1500, ":2"),
        ("ttl a", now + 1, ":0"), ("pttl a", now + 1, ":1"), ("ttl a", now, ":-2"), ("pttl a", now - 1, ":-2"),
        ("expiretime a", now + 100, ":1700000001"), ("expiretime a", now + 99, ":1700000000"),
        ("pexpiretime a", now + 99, ":1700000000499"), ("expiretime a", UInt64(Int.max), ":9223372036854776"),
        ("ttl a", .max, ":9223370336854775"), ("persist a", now + 5, ":1"), ("persist a", 0, ":0"), ("persist x", 0, ":0"),
        ("pexpire a 10 gt", now + 10, ":0"), ("pexpire a 11 gt", now + 10, ":1"), ("pexpire a 9 gt", 0, ":0"),
        ("pexpire a 10 lt", now + 10, ":0"), ("pexpire a 9 lt", now + 10, ":1"), ("pexpire a 9 lt", 0, ":1"),
        ("pexpire a 9 xx", 0, ":0"), ("pexpire a 9 xx lt", now + 10, ":1"), ("pexpire a 9 nx", now + 10, ":0"),
        ("pexpire a 9 nx", 0, ":1"), ("exists a a x", 0, ":2"), ("touch a a", now, ":0"), ("del a a", 0, ":1"),
        ("memory usage a", 0, ":66"), ("object idletime a", 0, ":0"), ("type a", 0, "+string"), ("type a", now, "+none"),
        ("debug object a", 0, "+Value at:0x0 refcount:1 encoding:int serializedlength:2 lru:0 lru_seconds_idle:0"),
    ]

    @Test(arguments: times) func timesAreExact(_ line: String, _ expiry: UInt64, _ answer: String) {
        var model = model(expiry)
        #expect(text(model.execute(line, now: Self.now)) == answer)
        #expect(model.differences == [])
    }

    @Test func aTimeThatIsOverDeletes() {
        for line in ["pexpire a 0", "expire a -1", "expireat a 0", "pexpireat a 1700000000400"] {
            var model = model()
            #expect(text(model.execute(line, now: Self.now)) == ":1")
            #expect(model.values[KeyName(namespace: 0, bytes: [97])] == nil)
        }
    }

    @Test func idleTimeCountsFromTheLastWrite() {
        let arguments = OwnedArguments(["object", "idletime", "a"].map { Array($0.utf8) })
        defer { withExtendedLifetime(arguments) {} }
        func idle(_ written: UInt64) -> String {
            let keyspace = Keyspace()
            keyspace.add(
                KeyName(namespace: 0, bytes: [97]),
                KeyRecord(value: UnsafeRawBufferPointer(start: nil, count: 0), writtenMilliseconds: written))
            let context = CommandContext(
                keyspace: keyspace, namespaces: [0], database: 0, nowMilliseconds: Self.now, valueBytesMax: 1)
            return text(KeyCommands.objectIdleTime(context, arguments.view))
        }
        #expect(idle(Self.now - 2999) == ":2" && idle(0) == ":0" && idle(Self.now + 5) == ":0")
    }

    @Test func keysOfOtherDatabasesAreNamed() {
        func names(_ line: String) -> [KeyName]? {
            let arguments = OwnedArguments(line.split(separator: " ").map { Array($0.utf8) })
            defer { withExtendedLifetime(arguments) {} }
            guard case .found(let command) = CommandTable.find(arguments.view) else { return nil }
            let context = CommandContext(
                keyspace: Keyspace(), namespaces: [10, 11, 12], database: 1, nowMilliseconds: 1, valueBytesMax: 1)
            return CommandTable.keyNames(of: command, arguments.view, context)
        }
        let (a, b) = (KeyName(namespace: 11, bytes: [97]), KeyName(namespace: 11, bytes: [98]))
        #expect(names("copy a b") == [a, b])
        #expect(names("copy a a db 2") == [a, KeyName(namespace: 12, bytes: [97])])
        #expect(names("move a 0") == [a, KeyName(namespace: 10, bytes: [97])])
        #expect(names("copy a a") == nil && names("copy a b db 3") == nil && names("move a 1") == nil && names("move a x") == nil)
        #expect(names("mset a 1 b 2") == [a, b] && names("object encoding b") == [b] && names("ping") == [])
    }

    /// A checksum that others have computed, too.
    @Test func theChecksumIsTheOneOfRedis() {
        #expect(Array("123456789".utf8).withUnsafeBytes { CRC64.jones($0) } == 0xE9C6_D914_C4B8_D9CA)
    }

    /// No payload traps, however it is broken, and none takes much memory.
    @Test func brokenPayloadsAreRefused() {
        var generator = CommandGenerator(seed: 1, now: 1)
        for _ in 0..<20_000 {
            let payload = generator.payload()
            _ = payload.withUnsafeBytes { try? DumpPayload.decoded($0, valueBytesMax: 1 << 16) }
            _ = payload.withUnsafeBytes { LZF.decompressed($0, byteCount: generator.below(300)) }
        }
        let long: [UInt8] = [0, 0xC3, 0x05, 0x81, 0x7F, 255, 255, 255, 255, 255, 255, 255]
        #expect(long.withUnsafeBytes { LZF.decompressed($0, byteCount: .max) } == nil)
    }

    @Test func compressedBytesComeBack() {
        let cases: [([UInt8], [UInt8]?)] = [
            ([2, 97, 98, 99], Array("abc".utf8)), ([0, 97, 0x20, 0], Array("aaaa".utf8)),
            ([1, 97, 98, 0xE0, 1, 1], Array("abababababab".utf8)), ([0, 97, 0x20, 1], nil), ([5, 97], nil), ([0x20], nil),
            ([0xE0], nil), ([0, 97, 0xE0, 0], nil), ([], []),
        ]
        for (bytes, value) in cases {
            #expect(bytes.withUnsafeBytes { LZF.decompressed($0, byteCount: value?.count ?? 4) } == value)
        }
        #expect([2, 97, 98, 99].withUnsafeBytes { LZF.decompressed($0, byteCount: 2) } == nil)
    }
}
