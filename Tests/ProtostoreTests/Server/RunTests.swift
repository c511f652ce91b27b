import Foundation
import Testing

@testable import Protostore

/// The program `run` as its users meet it.
@Suite(.noHang) struct RunTests {
    static let keyCount = 1000

    /// A small store in a directory of its own.
    static func makeStore(valueBytes: ClosedRange<Int> = 100...5000) throws -> ScratchDirectory {
        let scratch = try ScratchDirectory()
        var options = StoreBuilder.Options(keyCount: keyCount, valueBytes: valueBytes, path: scratch.path, seed: 1)
        options.segmentBytes = 1 << 20
        _ = try StoreBuilder.build(options) { _ in true }
        return scratch
    }

    static func start(_ store: ScratchDirectory, _ more: [String] = [], limit: String = ":") throws -> RunProgram {
        try RunProgram(["--path", store.path, "--port", "0"] + more, limit: limit)
    }

    /// Where the program maps the index of a store.
    static func indexPath(_ store: ScratchDirectory, in directory: String = "/dev/shm") throws -> String {
        let file = try FileDescriptor.open(store.file("protostore.data"))
        var block = [UInt8](repeating: 0, count: Superblock.byteCount)
        _ = try block.withUnsafeMutableBytes { bytes in try file.read(into: bytes, at: 0) }
        return "\(directory)/protostore-\(try SuperblockTests.decode(block, copyAt: 0).storeID).index"
    }

    /// Whether the program serves key `number` of a store.
    static func serves(_ store: ScratchDirectory, _ number: Int, port: UInt16) throws -> Bool {
        let toc = try TableOfContents(directory: store.path)
        let response = try TestClient(port: port).get([UInt8](toc.key(at: number)), id: 3)
        guard let body = response?.body, body.count == toc.length(at: number) else { return false }
        return body.withUnsafeBytes { ValuePattern.verifiedVersion(of: $0, key: toc.key(at: number)) } == 0
    }

    /// Runs it where it cannot start. - Returns: its complaint.
    private func refusal(_ program: RunProgram, exitCode: Int32 = 1) throws -> [Substring] {
        let code = try program.blockingWait()
        #expect(code == exitCode, "\(program.complaint)")
        #expect(program.output.isEmpty)
        return program.complaintLines
    }

    // MARK: Usage

    @Test(arguments: [
        (["--num-tcp-threads", "0"], "--num-tcp-threads is 0; 1 to 64 are possible"),
        (["--num-tcp-threads", "65"], "--num-tcp-threads is 65; 1 to 64 are possible"),
        (["--num-aio-threads=-1"], "--num-aio-threads is -1; 0 to 64 are possible"),
        (["--num-aio-threads", "65"], "--num-aio-threads is 65; 0 to 64 are possible"),
        (["--max-io-depth", "0"], "--max-io-depth is 0; 1 to 16384 are possible"),
        (["--max-io-depth", "16385"], "--max-io-depth is 16385; 1 to 16384 are possible"),
        (["--max-value-size", "0"], "--max-value-size is 0; 1 to 16777216 bytes are possible"),
        (["--stats-interval=-1"], "--stats-interval is -1; 0 (off) or 0.1 to 1000000 seconds are possible"),
        (["--stats-interval", "nan"], "--stats-interval is nan;"),
        (["--stats-interval", "inf"], "--stats-interval is inf;"),
        (["--stats-interval", "1e12"], "--stats-interval is 1e12;"),
        (["--stats-interval", "1e-9"], "--stats-interval is 1e-9;"),
        (["--port", "65536"], "--port is 65536; 0 to 65535 are possible"),
        (["--port", "http"], "--port is http; a whole number is wanted"),
        (["--log-level", "loud"], "--log-level is loud; one of these is wanted: trace, debug"),
        (["--maxclients", "0"], "--maxclients is 0; 1 to 65536 clients are possible"),
        (["--bind", "0.0.0.0"], "--bind is 0.0.0.0, and there is no password"),
        (["--client-query-buffer-limit", "1kb"], "--client-query-buffer-limit is 1kb; 1048576 to"),
        (["--requirepass", String(repeating: "x", count: 513)], "--requirepass is not possible; at most 512 bytes are possible"),
        (["--max-size", "1x"], "--max-size is 1x; a number of bytes is wanted"),
        (["--path", ""], "--path is ; a text that is not empty is wanted"),
        (["--unknown"], "Unknown option '--unknown'"),
        (["more"], "Unexpected argument 'more'"),
    ])
    func senselessOptionsAreUsageErrors(options: [String], reason: String) throws {
        let program = try RunProgram(["--path", "/nowhere"] + options)
        let lines = try refusal(program, exitCode: 64)
        let errors = lines.filter { $0.hasPrefix("Error: ") }
        #expect(errors.count == 1 && errors.first?.contains(reason) == true, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("Usage: run") })
    }

    @Test func aMissingPathIsAUsageError() throws {
        let lines = try refusal(try RunProgram(["serve"]), exitCode: 64)
        #expect(lines.first == "Error: Missing expected argument '--path <path>'")
    }

    @Test(arguments: [["--help"], ["serve", "--help"], ["help", "serve"]])
    func helpNamesEveryOption(arguments: [String]) throws {
        let program = try RunProgram(arguments)
        #expect(try program.blockingWait() == 0)
        let text = program.output
        #expect(text.contains("USAGE: run"))
        guard arguments.count == 2 else { return }
        let names = [
            "path", "datafile", "overwrite-device", "bind", "port", "num-tcp-threads", "num-aio-threads", "max-io-depth", "pin", "max-value-size",
            "short-circuit-reads", "stats-interval", "index-path", "log-level", "config", "maxclients", "timeout", "tcp-keepalive",
            "proto-max-bulk-len", "client-query-buffer-limit", "client-output-buffer-limit", "requirepass", "protected-mode",
            "allow-native", "slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold",
        ]
        for name in names { #expect(text.contains("--\(name)"), "\(name)") }
    }

    // MARK: What cannot be served: one clear line

    @Test func aDirectoryThatIsNotAStore() throws {
        let scratch = try ScratchDirectory()
        try scratch.write([1], to: "protostore.index")
        let lines = try refusal(Self.start(scratch))
        #expect(lines == [
            "Error: \(scratch.path)/protostore.data is not a store: there is no such file, but "
                + "\(scratch.path)/protostore.index is there. mk_data --path makes one; so does the server, in an empty directory."
        ])
    }

    @Test func anInterruptedGeneration() throws {
        let scratch = try ScratchDirectory()
        try scratch.write([UInt8](repeating: 0, count: 2 << 20), to: "protostore.data")
        try scratch.write([], to: "protostore.unfinished")
        let lines = try refusal(Self.start(scratch))
        #expect(lines.count == 1)
        #expect(lines.first?.contains("neither copy of its superblock is valid") == true)
        #expect(lines.first?.contains("mk_data") == true)
    }

    @Test func aStoreOfANewerFormat() throws {
        let scratch = try ScratchDirectory()
        var bytes = try [UInt8](repeating: 0, count: SuperblockTests.second) + SuperblockTests.resealed(8, 4)
        bytes += [UInt8](repeating: 0, count: 1 << 20)
        try scratch.write(bytes, to: "protostore.data")
        let lines = try refusal(Self.start(scratch))
        #expect(lines.count == 1)
        #expect(lines.first?.contains("has format version 4; this program reads version 3") == true)
    }

    @Test func aStoreThatAnotherProcessHasOpen() throws {
        let store = try Self.makeStore()
        let first = try Self.start(store)
        _ = try first.port()
        let lines = try refusal(Self.start(store))
        #expect(lines == ["Error: \(store.path) is open in another process; a store has one server at a time."])
        #expect(try Self.serves(store, 5, port: try first.port()))
    }

    @Test func aCopyOfAStoreThatIsServed() throws {
        let store = try Self.makeStore()
        let copy = try ScratchDirectory()
        try FileManager.default.copyItem(atPath: store.file("protostore.data"), toPath: copy.file("protostore.data"))
        let first = try Self.start(store)
        let port = try first.port()
        let lines = try refusal(Self.start(copy))
        #expect(lines.count == 1)
        #expect(lines.first?.contains("is in use by another process") == true)
        #expect(lines.first?.contains("--index-path") == true)
        // It has not taken the first one's index away.
        #expect(Directory.fileExists(try Self.indexPath(store)))
        #expect(try Self.serves(store, 5, port: port))
    }

    @Test func aDepthThatTheMachineHasNoRoomFor() throws {
        let store = try Self.makeStore(valueBytes: 0...10)
        let limit = try #require(Int(String(contentsOfFile: "/proc/sys/fs/aio-max-nr", encoding: .utf8).dropLast()))
        // 64 loops can ask for a million at most.
        guard limit < 64 * 16_384 else { return }
        let program = try Self.start(store, ["--num-aio-threads", "64", "--max-io-depth", "16384"])
        let lines = try refusal(program)
        let complaints = lines.filter { $0.hasPrefix("Error: ") }
        #expect(complaints.count == 1 && complaints[0].contains("no room for 1048576 reads at a time"))
        #expect(!Directory.fileExists(try Self.indexPath(store)))
    }

    @Test func aPortThatIsTaken() throws {
        let store = try Self.makeStore(valueBytes: 0...10)
        let other = try Socket.listen(host: "127.0.0.1", port: 0)
        let port = try Socket.localPort(other.rawValue)
        let program = try RunProgram(["--path", store.path, "--port", "\(port)"])
        let lines = try refusal(program).filter { !$0.contains(" info ") }
        #expect(lines == ["Error: 127.0.0.1:\(port): bind: Address already in use"])
        // What it had built before is not left behind.
        #expect(!Directory.fileExists(try Self.indexPath(store)))
    }

    @Test func anAddressThatIsNoneOfThisMachine() throws {
        let store = try Self.makeStore(valueBytes: 0...10)
        let program = try Self.start(store, ["--bind", "192.0.2.1", "--protected-mode", "no"])
        let lines = try refusal(program).filter { !$0.contains(" info ") }
        #expect(lines == ["Error: 192.0.2.1:0: bind: Cannot assign requested address"])
    }

    @Test func aFullMemoryFileSystem() throws {
        guard getuid() == 0 else { return }
        let store = try Self.makeStore(valueBytes: 0...10)
        let mount = try ScratchDirectory()
        guard Self.command("/bin/mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mount.path]) else { return }
        defer { _ = Self.command("/bin/umount", ["-l", mount.path]) }
        for _ in 0..<2 {
            let program = try Self.start(store, ["--index-path", mount.path])
            let lines = try refusal(program)
            let complaints = lines.filter { $0.hasPrefix("Error: ") }
            #expect(complaints.count == 1)
            #expect(complaints.first?.contains("the index cannot be set up") == true, "\(lines)")
            #expect(complaints.first?.contains("No space left on device") == true)
            // The next one finds the room that there was.
            #expect(mount.names == [])
            // Neither the saved index fits nor one that is rebuilt.
            try? Directory.removeFile(store.file("protostore.index"))
        }
    }

    private static func command(_ path: String, _ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    // MARK: The index

    @Test func theIndexLeavesSharedMemoryAtACleanStop() throws {
        let store = try Self.makeStore()
        let program = try Self.start(store)
        _ = try program.port()
        #expect(Directory.fileExists(try Self.indexPath(store)))
        program.signal(SIGTERM)
        #expect(try program.blockingWait() == 0)
        #expect(!Directory.fileExists(try Self.indexPath(store)))
    }

    @Test func whatAKilledServerLeftDisturbsNobody() throws {
        let store = try Self.makeStore()
        let killed = try Self.start(store)
        _ = try killed.port()
        killed.signal(SIGKILL)
        #expect(try killed.blockingWait() == -9)
        let path = try Self.indexPath(store)
        #expect(Directory.fileExists(path))
        let next = try Self.start(store)
        let port = try next.port()
        for number in stride(from: 0, to: Self.keyCount, by: 97) {
            #expect(try Self.serves(store, number, port: port))
        }
        next.signal(SIGTERM)
        #expect(try next.blockingWait() == 0)
        #expect(!Directory.fileExists(path))
    }

    enum IndexDamage: CaseIterable {
        case missing, empty, flippedByte, truncated, ofAnotherStore, garbage
    }

    @Test(arguments: IndexDamage.allCases)
    func aSavedIndexIsNeverFatal(damage: IndexDamage) throws {
        let store = try Self.makeStore()
        let saved = try store.read("protostore.index")
        switch damage {
        case .missing: try Directory.removeFile(store.file("protostore.index"))
        case .empty: try store.write([], to: "protostore.index")
        case .flippedByte: try store.write(saved.flipped(at: saved.count / 2), to: "protostore.index")
        case .truncated: try store.write(Array(saved.dropLast(4096)), to: "protostore.index")
        case .ofAnotherStore: try store.write(try Self.makeStore().read("protostore.index"), to: "protostore.index")
        case .garbage: try store.write(.random(count: 100_000, seed: 1), to: "protostore.index")
        }
        let program = try Self.start(store)
        let port = try program.port()
        #expect(program.complaint.contains("rebuilt the index of \(Self.keyCount) keys"))
        for number in stride(from: 0, to: Self.keyCount, by: 97) {
            #expect(try Self.serves(store, number, port: port))
        }
    }

    // MARK: Stopping

    @Test(arguments: [SIGTERM, SIGINT], [["--num-tcp-threads", "2"], ["--num-aio-threads", "1"]])
    func aSignalUnderLoadEndsItWithWholeReplies(signal: Int32, threads: [String]) throws {
        let store = try Self.makeStore()
        let program = try Self.start(store, threads)
        let load = try Load(store, port: program.port(), clientCount: 8)
        #expect(load.waits(forReplies: 2000))
        let start = Clock.monotonicNanoseconds()
        program.signal(signal)
        #expect(try program.blockingWait() == 0)
        let seconds = Double(Clock.monotonicNanoseconds() - start) / 1e9
        // One, and what a loaded machine adds.
        #expect(seconds < 120)
        let outcome = load.blockingFinish()
        #expect(outcome.wrongReplies == 0)
        // There the time for whole replies may be over.
        #expect(outcome.cutReplies == 0 || program.complaint.contains("closing connections that did not finish in time"))
        #expect(program.complaint.contains("stopping: accepting no more connections"))
        #expect(program.complaint.contains(" stopped\n"))
    }

    @Test func aSecondSignalEndsItAtOnce() throws {
        let store = try Self.makeStore(valueBytes: 5000...5000)
        let program = try Self.start(store)
        // One that never reads keeps the stop waiting.
        let client = try TestClient(port: program.port())
        let toc = try TableOfContents(directory: store.path)
        let request = TestClient.request([UInt8](toc.key(at: 1)), id: 1)
        let burst = [UInt8]((0..<1000).flatMap { _ in request })
        for _ in 0..<2000 where client.sendWithoutWaiting(burst) == 0 { Clock.blockingSleep(nanoseconds: 1_000_000) }
        // Without waiting in between: the stop must not be over before the second comes.
        program.signal(SIGTERM)
        program.signal(SIGINT)
        #expect(try [128 + SIGINT, 128 + SIGTERM].contains(program.blockingWait()))
        #expect(program.complaint.contains("stopping: accepting no more connections"))
        #expect(program.complaint.contains("a second signal: ending at once"))
        #expect(!program.complaint.contains(" stopped\n"))
    }

    @Test func clientsThatNeverReadDoNotKeepItFromStopping() throws {
        let store = try Self.makeStore(valueBytes: 5000...5000)
        let program = try Self.start(store)
        let client = try TestClient(port: program.port())
        let toc = try TableOfContents(directory: store.path)
        let request = TestClient.request([UInt8](toc.key(at: 1)), id: 1)
        let burst = [UInt8]((0..<1000).flatMap { _ in request })
        for _ in 0..<2000 where client.sendWithoutWaiting(burst) == 0 { Clock.blockingSleep(nanoseconds: 1_000_000) }
        program.signal(SIGTERM)
        #expect(try program.blockingWait() == 0)
        #expect(program.complaint.contains("closing connections that did not finish in time"))
    }

    // MARK: While it runs

    @Test func statisticsOfEveryLoopAppear() throws {
        let store = try Self.makeStore()
        let program = try Self.start(
            store, ["--stats-interval", "0.1", "--num-tcp-threads", "3", "--num-aio-threads", "2"])
        let load = try Load(store, port: program.port(), clientCount: 4)
        for name in ["tcp-0", "tcp-1", "tcp-2", "aio-0", "aio-1"] {
            #expect(program.waits(for: " \(name): polls/s ", count: 3), "\(name)")
        }
        program.signal(SIGTERM)
        #expect(try program.blockingWait() == 0)
        _ = load.blockingFinish()
    }

    @Test func noStatisticsAppearWhereTheyAreOff() throws {
        let store = try Self.makeStore(valueBytes: 0...10)
        let program = try Self.start(store, ["--stats-interval", "0"])
        #expect(try Self.serves(store, 1, port: program.port()))
        program.signal(SIGTERM)
        #expect(try program.blockingWait() == 0)
        #expect(!program.complaint.contains("polls/s"))
    }

    /// Those for whom there is no descriptor are told so, and closed; the others do not notice.
    @Test func exhaustedDescriptorsRefuseInWordsAndNothingElse() throws {
        let store = try Self.makeStore()
        let program = try Self.start(store, limit: "ulimit -n 40")
        let port = try program.port()
        let first = try TestClient(port: port)
        let toc = try TableOfContents(directory: store.path)
        let key = [UInt8](toc.key(at: 9))
        #expect(first.get(key) != nil)
        // The kernel takes them all; the program has descriptors for some.
        var others = try (0..<60).map { _ in try TestClient(port: port) }
        let words = Array("-ERR max number of clients reached\r\n".utf8)
        #expect(others[59].receive(words.count) == words)
        #expect(others[59].isClosedByServer)
        #expect(program.waits(for: "there are no descriptors for more connections"))
        #expect(first.get(key)?.body.count == toc.length(at: 9))
        others.removeAll()
        // Until the loops have seen that the others are closed, the next are refused as those were.
        while try !Self.serves(store, 3, port: port) {}
    }
}
