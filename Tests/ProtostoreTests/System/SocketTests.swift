import Glibc
import Testing

@testable import Protostore

@Suite struct SocketTests {
    private func option(_ descriptor: CInt, _ level: CInt, _ name: CInt) -> CInt {
        var value: CInt = -1
        var size = socklen_t(MemoryLayout<CInt>.size)
        #expect(getsockopt(descriptor, level, name, &value, &size) == 0)
        return value
    }

    /// They are set on the listener; that accepted connections inherit them is Linux's habit.
    @Test func acceptedConnectionsSendAtOnceAndNoticeVanishedPeers() throws {
        let listener = try Socket.listen(host: "127.0.0.1", port: 0)
        let client = try Socket.blockingConnect(
            host: "127.0.0.1", port: Socket.localPort(listener.rawValue))
        let accepted = try Socket.accept(listener.rawValue).take()
        #expect(option(accepted.rawValue, CInt(IPPROTO_TCP), TCP_NODELAY) == 1)
        #expect(option(accepted.rawValue, SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(accepted.rawValue, CInt(IPPROTO_TCP), TCP_KEEPIDLE) == 300)
        #expect(option(client.rawValue, CInt(IPPROTO_TCP), TCP_NODELAY) == 1)
    }
}
