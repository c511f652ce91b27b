import Glibc
import Testing

@testable import Protostore

/// How many descriptors this process has open.
func openDescriptorCount() -> Int {
    (0..<4096).count { fcntl(CInt($0), F_GETFD) >= 0 }
}

/// Clients that ask and never read.
final class DeafClients {
    private let clients: [TestClient]
    private var sentBytes: [Int]

    init(server: TestServer, count: Int) throws {
        sentBytes = Array(repeating: 0, count: count)
        clients = try (0..<count).map { _ in try server.connect() }
    }

    var sentBytesMax: Int { sentBytes.max() ?? 0 }

    func ask(_ bytes: [UInt8]) {
        for index in clients.indices { sentBytes[index] += clients[index].sendWithoutWaiting(bytes) }
    }
}

/// Many clients with one request each at a time.
final class ClientCrowd {
    private let clients: [TestClient]

    init(server: TestServer, count: Int) throws {
        clients = try (0..<count).map { _ in try server.connect() }
    }

    func askAll(_ key: (Int) -> [UInt8]) {
        for index in clients.indices { clients[index].send(TestClient.request(key(index), id: UInt32(index))) }
    }

    func expectAll(_ value: (Int) -> [UInt8]) {
        for index in clients.indices {
            #expect(clients[index].receiveResponse() == TestClient.Response(id: UInt32(index), body: value(index)))
        }
    }
}
