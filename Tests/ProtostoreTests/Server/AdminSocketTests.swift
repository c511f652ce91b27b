import Foundation
import Glibc
import Testing

@testable import Protostore

/// The socket in the store's directory.
@Suite(.noHang) struct AdminSocketTests {
    /// Somebody who sends bytes and reads lines.
    private final class Caller {
        private let descriptor: FileDescriptor
        private var input: [UInt8] = []

        init(_ directory: String) throws {
            descriptor = try UnixSocket.blockingConnect(directory: directory, name: AdminSocket.name)
        }

        func send(_ bytes: [UInt8]) {
            _ = bytes.withUnsafeBytes { Socket.send(descriptor.rawValue, $0) }
        }

        func hangUp() { _ = shutdown(descriptor.rawValue, CInt(SHUT_RDWR)) }

        func ask(_ text: String) -> AdminAnswer? {
            send(Array((text + "\n").utf8))
            return receive()
        }

        /// The next answer that is no progress; nil at the end.
        func receive() -> AdminAnswer? {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                if let end = input.firstIndex(of: UInt8(ascii: "\n")) {
                    let answer = AdminAnswer(String(decoding: input[..<end], as: UTF8.self))
                    input.removeFirst(end + 1)
                    if case .progress = answer { continue }
                    return answer
                }
                switch buffer.withUnsafeMutableBytes({ Socket.receive(descriptor.rawValue, into: $0) }) {
                case .bytes(let count): input += buffer[..<count]
                case .wouldBlock: continue
                case .closed, .failed: return nil
                }
            }
        }
    }

    @Test(arguments: [
        ("backup /a b", .success(.backup(path: "/a b", bytesPerSecondMax: nil))),
        ("backup rate=5 /a", .success(.backup(path: "/a", bytesPerSecondMax: 5))),
        ("backup", .failure(.noPath)), ("backup a/b", .failure(.noPath)), ("", .failure(.unknown(""))),
        ("backup rate=0 /a", .failure(.badOption("rate=0"))), ("backup rate=x /a", .failure(.badOption("rate=x"))),
        ("backup rate=99999999999999999999 /a", .failure(.badOption("rate=99999999999999999999"))),
        ("backup speed=1 /a", .failure(.badOption("speed=1"))), ("restore /a", .failure(.unknown("restore"))),
        ("backup /a\u{0}b", .failure(.notText)),
    ] as [(String, Result<AdminRequest, AdminRequest.ParseError>)])
    func requestsAreRead(text: String, expected: Result<AdminRequest, AdminRequest.ParseError>) {
        #expect(Result { () throws(AdminRequest.ParseError) in try AdminRequest(text.utf8) } == expected)
    }

    @Test func anyBytesAreARequestOrAnError() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<20_000 {
            var bytes = Array("backup rate=1 /path".utf8)
            for _ in 0..<Int(random.next() % 4) { bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next()) }
            bytes.removeLast(Int(random.next() % UInt64(bytes.count)))
            _ = try? AdminRequest(bytes)
            _ = AdminAnswer(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test func answersComeBackAsTheyWere() {
        let answers: [AdminAnswer] = [
            .progress(done: 1, all: 2), .finding("a b"), .error("no"),
            .done(bytes: 5, segments: 2, nanoseconds: 7, findings: 0, commits: [1, 2]),
        ]
        for answer in answers { #expect(AdminAnswer(answer.line.dropLast()) == answer) }
        #expect(AdminAnswer.error("a\nb").line == "error a b\n")
    }

    @Test func badRequestsHarmNobody() throws {
        let server = try TestServer()
        let path = server.scratch.path
        var status = stat()
        #expect(stat("\(path)/\(AdminSocket.name)", &status) == 0 && status.st_mode & 0o777 == 0o600)
        let caller = try Caller(path)
        #expect(caller.ask("nonsense") == .error("there is no command \"nonsense\"; there is: backup"))
        #expect(caller.ask("backup relative") == .error("backup needs an absolute path"))
        // Two in one piece, and one in two.
        #expect(caller.ask("a\nb") != nil && caller.receive() != nil)
        caller.send(Array("back".utf8))
        #expect(caller.ask("up x") == .error("backup needs an absolute path"))
        let long = try Caller(path)
        long.send([UInt8](repeating: 65, count: 5000))
        #expect(long.receive() == .error("a line has at most 4096 bytes"))
        #expect(long.receive() == nil)
        let longLine = try Caller(path)
        #expect(longLine.ask("backup /" + String(repeating: "x", count: 4096)) == .error("a line has at most 4096 bytes"))
        let callers = try (0..<12).map { _ in try Caller(path) }
        #expect(callers[11].receive() == .error("8 connections are open already"))
        #expect(try server.connect().get(server.key(1))?.body == server.value(1))
    }

    @Test func oneBackupAtATimeAndNoneForNobody() throws {
        let server = try TestServer()
        let first = try Caller(server.scratch.path)
        first.send(Array("backup rate=1 \(server.scratch.file("one"))\n".utf8))
        let second = try Caller(server.scratch.path)
        var answer = second.ask("backup \(server.scratch.file("two"))")
        #expect(answer == .error("\(BackupError.busy)"))
        first.hangUp()
        // Hanging up ended the first one.
        for _ in 0..<1000 where answer == .error("\(BackupError.busy)") {
            Clock.blockingSleep(nanoseconds: 10_000_000)
            answer = second.ask("backup \(server.scratch.file("two"))")
        }
        guard case .done(let bytes, _, _, 0, _) = answer else { return #expect(Bool(false), "\(String(describing: answer))") }
        #expect(bytes > 1_000_000)
        #expect(try FileManager.default.contentsOfDirectory(atPath: server.scratch.file("one")).isEmpty)
        server.stop()
        #expect(!server.scratch.names.contains(AdminSocket.name))
    }

    /// A killed server leaves its socket; the next one takes the name, and without one a
    /// backup does not need any.
    @Test func aStaleSocketIsReplaced() throws {
        let store = try RunTests.makeStore()
        let killed = try RunTests.start(store)
        _ = try killed.port()
        killed.signal(SIGKILL)
        _ = try killed.blockingWait()
        #expect(store.names.contains(AdminSocket.name))
        #expect(try !BackupClient.blockingRun(directory: store.path, to: store.file("one")) { _, _ in }.isOnline)
        let server = try RunTests.start(store)
        _ = try server.port()
        #expect(try BackupClient.blockingRun(directory: store.path, to: store.file("two")) { _, _ in }.isOnline)
        try Directory.removeFile(store.file(AdminSocket.name))
        #expect(throws: BackupClient.Failure.noAdminSocket(store.path)) {
            try BackupClient.blockingRun(directory: store.path, to: store.file("three")) { _, _ in }
        }
    }

    @Test func longPathsHaveSocketsToo() throws {
        let scratch = try ScratchDirectory()
        let directory = scratch.file(String(repeating: "d", count: 120))
        try Directory.create(directory)
        let listener = try UnixSocket.listen(directory: directory, name: "socket")
        let connection = try UnixSocket.blockingConnect(directory: directory, name: "socket")
        let accepted = try UnixSocket.accept(listener.rawValue)
        #expect(UnixSocket.peerUser(accepted.rawValue) == geteuid())
        #expect(connection.rawValue >= 0)
    }
}
