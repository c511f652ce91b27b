import Testing

@testable import Protostore

/// How many clients there may be, and who may come at all.
@Suite(.noHang) struct ServerClientsTests {
    private static let noRoom = Array("-ERR max number of clients reached\r\n".utf8)

    @Test(arguments: [1, 2]) func thoseBeyondMaxclientsAreToldAndOthersGoOn(tcpThreads: Int) throws {
        let server = try TestServer(configure: {
            $0.clientsMax = 3
            $0.tcpThreads = tcpThreads
        })
        var clients = try (0..<3).map { _ in try server.connect() }
        for client in clients { #expect(client.get(server.key(1))?.body == server.value(1)) }
        for _ in 0..<5 { #expect(try server.connect().receive(100) == Self.noRoom) }
        for client in clients { #expect(client.get(server.key(2))?.body == server.value(2)) }
        #expect(server.log.contains("refusing a connection: there are 3 clients (see --maxclients)"))
        // One goes, one comes.
        clients.removeLast()
        var isServed = false
        for _ in 0..<200 where !isServed {
            let next = try server.connect()
            isServed = next.get(server.key(3))?.body == server.value(3)
            if isServed { clients.append(next) } else { Clock.blockingSleep(nanoseconds: 10_000_000) }
        }
        #expect(isServed)
        #expect(try server.connect().receive(100) == Self.noRoom)
    }

    /// Clients that are gone make room, however they went.
    @Test func manyGenerationsOfClients() throws {
        let server = try TestServer(configure: { $0.clientsMax = 4 })
        var served = 0
        for round in 0..<60 {
            let client = try server.connect()
            if round % 3 == 0 { client.send([0, 0, 0, 1, 99]) }
            if round % 3 != 0, client.get(server.key(round))?.body == server.value(round) { served += 1 }
            if served == round { Clock.blockingSleep(nanoseconds: 1_000_000) }
        }
        #expect(served > 20)
        var last: TestClient.Response?
        for _ in 0..<200 where last == nil {
            last = try server.connect().get(server.key(5))
            if last == nil { Clock.blockingSleep(nanoseconds: 10_000_000) }
        }
        #expect(last?.body == server.value(5))
    }
}
