import Testing

@testable import Protostore

@Suite(.noHang) struct ListenerTests {
    @Test func aCrowdIsAcceptedInParts() throws {
        var listener = try Listener(host: "127.0.0.1", port: 0)
        var clients = IdleClients()
        for _ in 0..<300 { clients.append(try Socket.blockingConnect(host: "127.0.0.1", port: listener.port)) }
        var accepted = 0
        var outcomes: [String] = []
        for _ in 0..<2 {
            let outcome = listener.acceptBatch { descriptor, _ in
                accepted += 1
                _ = consume descriptor
            }
            outcomes.append("\(outcome)")
        }
        #expect(accepted == 300)
        #expect(outcomes == ["more", "drained"])
    }

    /// Keeps descriptors open.
    private struct IdleClients: ~Copyable {
        private var rawValues: [CInt] = []

        mutating func append(_ descriptor: consuming FileDescriptor) { rawValues.append(descriptor.release()) }

        deinit {
            for rawValue in rawValues { _ = FileDescriptor(owning: rawValue) }
        }
    }
}
