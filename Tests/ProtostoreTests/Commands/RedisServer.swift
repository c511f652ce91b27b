import Foundation

/// Debian's redis-server, to be compared with; it ends with its last reference, and with
/// the tests however these end: a shell waits for the end of a pipe that only they hold.
///
/// Listens on a unix socket in a directory of its own, and keeps nothing.
final class RedisServer {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let process = Process()
    private let life = Pipe()
    private let directory: String
    private let socket: Int32
    private var buffer: [UInt8] = []
    private var consumed = 0
    private var chunk = [UInt8](repeating: 0, count: 1 << 16)

    init(options: [String] = []) throws {
        directory = "/tmp/protostore-redis-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let path = "\(directory)/socket"
        let script = "\"$@\" & read -r line; kill -9 $!; rm -rf \"$0\""
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments =
            ["-c", script, directory, "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
            + ["--dir", directory] + options
        // Programs that other tests start meanwhile must not hold it, too.
        _ = fcntl(life.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        process.standardInput = life
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        socket = try Self.connect(path)
    }

    deinit {
        close(socket)
        try? life.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    private static func connect(_ path: String) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        for _ in 0..<1000 {
            let code = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if code == 0 { return descriptor }
            usleep(20_000)
        }
        close(descriptor)
        throw Failure(description: "redis-server does not listen on \(path): scripts/bootstrap installs it")
    }

    /// The replies to commands that are sent all at once: few enough that they fit into
    /// the socket's buffers, or the replies do.
    func replies(to commands: [[[UInt8]]]) throws -> [[UInt8]] {
        var request: [UInt8] = []
        for words in commands {
            request += Array("*\(words.count)\r\n".utf8)
            for word in words { request += Array("$\(word.count)\r\n".utf8) + word + [13, 10] }
        }
        try send(request)
        return try commands.map { _ in try reply() }
    }

    func reply(to line: String) throws -> [UInt8] {
        try replies(to: [line.split(separator: " ").map { Array($0.utf8) }])[0]
    }

    private func send(_ request: [UInt8]) throws {
        var sent = 0
        while sent < request.count {
            let count = request.withUnsafeBytes { write(socket, $0.baseAddress! + sent, $0.count - sent) }
            guard count > 0 else { throw Failure(description: "redis-server takes nothing more") }
            sent += count
        }
    }

    private func reply() throws -> [UInt8] {
        var end = consumed
        try skipReply(&end)
        defer {
            consumed = end
            if consumed == buffer.count {
                buffer.removeAll(keepingCapacity: true)
                consumed = 0
            }
        }
        return Array(buffer[consumed..<end])
    }

    private func skipReply(_ position: inout Int) throws {
        let start = position
        while true {
            try receive(upTo: position + 2)
            if buffer[position] == 13, buffer[position + 1] == 10 { break }
            position += 1
        }
        let number = Int(String(decoding: buffer[(start + 1)..<position], as: UTF8.self)) ?? 0
        position += 2
        if buffer[start] == UInt8(ascii: "$"), number >= 0 {
            try receive(upTo: position + number + 2)
            position += number + 2
        } else if buffer[start] == UInt8(ascii: "*"), number > 0 {
            for _ in 0..<number { try skipReply(&position) }
        }
    }

    private func receive(upTo end: Int) throws {
        while buffer.count < end {
            let count = chunk.withUnsafeMutableBytes { read(socket, $0.baseAddress!, $0.count) }
            guard count > 0 else { throw Failure(description: "redis-server has ended") }
            buffer += chunk[..<count]
        }
    }
}
