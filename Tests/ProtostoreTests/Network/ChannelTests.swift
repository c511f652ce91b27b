import Synchronization
import Testing

@testable import Protostore

@Suite(.noHang) struct ChannelTests {
    /// A front end and a shard that hand one request back and forth, as fast as they
    /// can: the shard must never see the request that follows a reply before the
    /// reply's buffer, or buffers overrun their mailbox.
    @Test func aBufferComesBackBeforeItsSlotIsUsedAgain() throws {
        let rounds = 200_000
        let channel = Channel(frontEndLoop: 0, shardLoop: 1, requestsMax: 1)
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
        defer { buffer.deallocate() }
        let request = ShardRequest(
            hash: 0, key: UnsafeRawBufferPointer(start: buffer, count: 16), client: 0, ticket: 0, allowanceBytes: 0)
        let shard = try Protostore.Thread(name: "shard") {
            var answered = 0
            while answered < rounds {
                var count = 0
                channel.requests.receive { _ in count += 1 }
                channel.releases.receive { _ in }
                for _ in 0..<count { channel.replies.send(ShardReply(.missing, to: request)) }
                answered += count
                _ = channel.publish(from: 1)
            }
        }
        var received = 0
        channel.requests.send(request)
        _ = channel.publish(from: 0)
        while received < rounds {
            channel.replies.receive { _ in
                received += 1
                channel.releases.send(Channel.BufferRelease(buffer: buffer))
                channel.requests.send(request)
            }
            _ = channel.publish(from: 0)
        }
        shard.blockingJoin()
        #expect(received == rounds)
    }
}
