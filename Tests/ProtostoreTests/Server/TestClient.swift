import Glibc

@testable import Protostore

/// A client of the native protocol that waits for its answers, for at most ten seconds.
final class TestClient {
    let descriptor: FileDescriptor

    init(port: UInt16) throws {
        descriptor = try Socket.blockingConnect(host: "127.0.0.1", port: port)
    }

    struct Response: Equatable {
        var id: UInt32
        var body: [UInt8]
    }

    static func request(_ key: [UInt8], id: UInt32, type: UInt8 = UInt8(ascii: "R"), length: UInt32 = 21) -> [UInt8] {
        bytes(of: length.bigEndian) + [type] + key + bytes(of: id.bigEndian)
    }

    static func bytes(of word: UInt32) -> [UInt8] { withUnsafeBytes(of: word) { [UInt8]($0) } }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let outcome = bytes.withUnsafeBytes {
                Socket.send(descriptor.rawValue, UnsafeRawBufferPointer(rebasing: $0[sent...]))
            }
            switch outcome {
            case .bytes(let count): sent += count
            case .wouldBlock: wait(for: POLLOUT)
            case .closed, .failed: return
            }
        }
    }

    /// Sends what the socket takes without waiting. - Returns: how much that was.
    func sendWithoutWaiting(_ bytes: [UInt8]) -> Int {
        let outcome = bytes.withUnsafeBytes { Socket.send(descriptor.rawValue, $0) }
        if case .bytes(let count) = outcome { return count }
        return 0
    }

    /// Sends no more, but still receives.
    func endInput() { _ = shutdown(descriptor.rawValue, CInt(SHUT_WR)) }

    /// `count` bytes, or fewer where the connection ends or nothing comes any more.
    func receive(_ count: Int) -> [UInt8] {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while received.count < count {
            let wanted = min(count - received.count, buffer.count)
            let outcome = buffer.withUnsafeMutableBytes {
                Socket.receive(descriptor.rawValue, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
            }
            switch outcome {
            case .bytes(let bytes): received += buffer[..<bytes]
            case .wouldBlock: guard wait(for: POLLIN) else { return received }
            case .closed, .failed: return received
            }
        }
        return received
    }

    func receiveResponse() -> Response? {
        let header = receive(6)
        guard header.count == 6 else { return nil }
        let id = header[..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let length = Int(header[4]) << 8 | Int(header[5])
        let body = receive(length)
        return body.count == length ? Response(id: id, body: body) : nil
    }

    func get(_ key: [UInt8], id: UInt32 = 1) -> Response? {
        send(Self.request(key, id: id))
        return receiveResponse()
    }

    /// Whether the server has closed the connection, without another byte.
    var isClosedByServer: Bool {
        var byte: UInt8 = 0
        while true {
            switch withUnsafeMutableBytes(of: &byte, { Socket.receive(descriptor.rawValue, into: $0) }) {
            case .closed, .failed: return true
            case .bytes: return false
            case .wouldBlock: guard wait(for: POLLIN) else { return false }
            }
        }
    }

    @discardableResult
    private func wait(for events: CInt) -> Bool {
        var poller = pollfd(fd: descriptor.rawValue, events: Int16(events), revents: 0)
        return poll(&poller, 1, 300_000) > 0
    }
}
