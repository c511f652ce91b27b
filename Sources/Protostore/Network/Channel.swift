/// What runs between the loop with a front end and the loop with a shard, when
/// these are two: requests one way, replies the other, and read buffers back.
///
/// Each request has at most one message on its way in each direction, and the
/// front end's request table bounds the requests: no mailbox can overflow, so
/// nobody ever waits for room. For buffers, this needs an order: the front end
/// publishes them before requests, and the shard takes requests before them.
final class Channel: Sendable {
    /// The loop of the front end, and that of the shard.
    let frontEndLoop: Int
    let shardLoop: Int
    let requests: Mailbox<ShardRequest>
    let replies: Mailbox<ShardReply>
    let releases: Mailbox<BufferRelease>

    /// Sendable because the sender forgets the address when it sends it.
    struct BufferRelease: BitwiseCopyable, @unchecked Sendable {
        let buffer: UnsafeMutableRawPointer
    }

    init(frontEndLoop: Int, shardLoop: Int, requestsMax: Int) {
        self.frontEndLoop = frontEndLoop
        self.shardLoop = shardLoop
        requests = Mailbox(capacity: requestsMax)
        replies = Mailbox(capacity: requestsMax)
        releases = Mailbox(capacity: requestsMax)
    }
}

