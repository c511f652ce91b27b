import ArgumentParser
import Testing

@testable import bench

@Suite struct OptionTests {
    private func parse(_ arguments: String) throws -> ReadCommand {
        try ReadCommand.parse(["--path", "/d"] + arguments.split(separator: " ").map(String.init))
    }

    @Test(arguments: [
        "", "--clients 1", "--inflight 65536", "--misses 0", "--misses 1", "--rate 0.5", "--warmup 0",
        "--distribution zipfian", "--arrivals fixed --rate 10", "--threads 2 --clients 2", "--seconds 0.1",
    ])
    func sensibleValuesAreAccepted(arguments: String) throws {
        _ = try parse(arguments)
    }

    @Test(arguments: [
        ("--clients 0", "--clients"), ("--clients=-3", "--clients"), ("--inflight 0", "--inflight"),
        ("--inflight 65537", "--inflight"), ("--clients 9223372036854775807 --inflight 2", "--clients"),
        ("--clients 10000 --inflight 60000", "--clients"), ("--misses 1.01", "--misses"),
        ("--misses=-0.1", "--misses"), ("--misses nan", "--misses"), ("--rate 0", "--rate"),
        ("--rate=-5", "--rate"), ("--rate nan", "--rate"), ("--rate inf", "--rate"), ("--seconds 0", "--seconds"),
        ("--seconds nan", "--seconds"), ("--seconds 1e9", "--seconds"), ("--warmup=-1", "--warmup"),
        ("--threads 0", "--threads"), ("--threads 3 --clients 2", "--threads"), ("--port 0", "--port"),
    ])
    func senselessValuesAreRefused(arguments: String, option: String) throws {
        let error = #expect(throws: (any Error).self) { try parse(arguments) }
        #expect(ReadCommand.exitCode(for: error!).rawValue == 64)
        #expect(ReadCommand.message(for: error!).hasPrefix(option))
        #expect(!ReadCommand.message(for: error!).contains("\n"))
    }

    @Test(arguments: [
        "insert --path /d", "insert --path /d --value-bytes 0", "insert --new-keys 5 --value-bytes 1-65535",
        "insert --path /d --new-keys 5 --hot-key --verify --count 10", "mixed --path /d --read-ratio 0.25 --modified",
        "ycsb a --records 5", "ycsb d --records 5 --load --verify", "durability run --ledger f --until-killed",
        "durability verify --ledger f --list-max 0",
    ])
    func writingCommandsAreAccepted(arguments: String) throws {
        _ = try Bench.parseAsRoot(arguments.split(separator: " ").map(String.init))
    }

    @Test(arguments: [
        "insert", "insert --new-keys 5", "insert --new-keys 0 --value-bytes 1", "insert --path /d --value-bytes 65536",
        "insert --path /d --value-bytes 9-8", "insert --path /d --value-bytes=-1", "insert --path /d --value-bytes 1-2-3",
        "insert --path /d --count 0", "insert --path /d --count=-1", "mixed --path /d --read-ratio 1.1",
        "mixed --path /d --read-ratio nan", "ycsb e --records 5", "ycsb a --records 0", "ycsb a", "durability run",
        "durability run --ledger f --keys 0", "durability verify --ledger f --list-max=-1",
        "durability run --ledger f --clients 0",
    ])
    func senselessWritingCommandsAreRefused(arguments: String) {
        let error = #expect(throws: (any Error).self) {
            try Bench.parseAsRoot(arguments.split(separator: " ").map(String.init))
        }
        #expect(Bench.exitCode(for: error!).rawValue == 64)
    }

    @Test(arguments: ["--clients 0", "--seconds=-1", "--seconds nan", "--port 0"])
    func senselessIdleConnectionsAreRefused(arguments: String) {
        let error = #expect(throws: (any Error).self) {
            try ConnectCommand.parse(arguments.split(separator: " ").map(String.init))
        }
        #expect(ConnectCommand.exitCode(for: error!).rawValue == 64)
    }

    @Test func tooManyConnectionsAreOneClearLine() {
        let error = #expect(throws: Failure.self) { try DescriptorBudget.require(connections: .max - 100) }
        #expect(error!.description.contains("hard limit"))
    }
}

@Suite struct IdleConnectionTests {
    @Test func openedAndClosedAreCounted() throws {
        let store = try GeneratedStore(count: 1)
        let server = try TestServer(store)
        var idle = try IdleConnections(capacity: 20)
        #expect(idle.open(20, host: "127.0.0.1", port: server.port) == nil)
        #expect(idle.opened == 20)
        #expect(try idle.blockingHold(nanoseconds: 100_000_000) == 0)
        server.shutDown()
        #expect(try idle.blockingHold(nanoseconds: 100_000_000) == 20)
    }
}
