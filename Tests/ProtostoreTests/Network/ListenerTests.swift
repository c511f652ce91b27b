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

    @Suite struct OwnProcess {
        /// The others are told why, and all of them, whatever their number.
        @Test func thoseForWhomThereIsNoDescriptorAreTold() async {
            await #expect(processExitsWith: .success) {
                var listener = try Listener(host: "127.0.0.1", port: 0)
                var clients = IdleClients()
                for _ in 0..<3 { clients.append(try Socket.blockingConnect(host: "127.0.0.1", port: listener.port)) }
                var hoard = IdleClients()
                while let descriptor = try? FileDescriptor.open("/dev/null") { hoard.append(descriptor) }
                let outcome = listener.acceptBatch { _, _ in Issue.record("accepted") }
                guard case .drained = outcome, listener.refusedCount == 3, !listener.isPaused else {
                    Issue.record("\(outcome), \(listener.refusedCount) refused")
                    return
                }
                for number in 0..<3 { #expect(clients.received(number) == "-ERR max number of clients reached\r\n") }
                // With room again, all is as before.
                hoard.close()
                clients.append(try Socket.blockingConnect(host: "127.0.0.1", port: listener.port))
                var accepted = 0
                _ = listener.acceptBatch { descriptor, _ in
                    accepted += 1
                    _ = consume descriptor
                }
                #expect(accepted == 1)
            }
        }
    }

    /// Keeps descriptors open.
    private struct IdleClients: ~Copyable {
        private var rawValues: [CInt] = []

        mutating func append(_ descriptor: consuming FileDescriptor) { rawValues.append(descriptor.release()) }

        mutating func close() {
            for rawValue in rawValues { _ = FileDescriptor(owning: rawValue) }
            rawValues.removeAll()
        }

        /// What comes within a second.
        func received(_ number: Int) -> String {
            var text: [UInt8] = []
            for _ in 0..<100 {
                let transfer = withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
                    let transfer = Socket.receive(rawValues[number], into: buffer)
                    if case .bytes(let count) = transfer { text += buffer[..<count] }
                    return transfer
                }
                if transfer == .closed { break }
                if transfer == .wouldBlock { Clock.blockingSleep(nanoseconds: 10_000_000) }
            }
            return String(decoding: text, as: UTF8.self)
        }

        deinit {
            for rawValue in rawValues { _ = FileDescriptor(owning: rawValue) }
        }
    }
}
