/// What the commands of a transaction have answered so far.
///
/// A few short commands can ask for one large value often: what is kept is bounded. Beyond, the
/// commands are carried out all the same, and the transaction has an error for its reply.
struct TransactionReplies {
    private let byteCountMax: Int
    private(set) var count = 0
    private var replies: [Reply] = []
    /// What is kept.
    private(set) var byteCount = 0
    private var isTooLarge = false

    init(byteCountMax: Int) {
        self.byteCountMax = byteCountMax
    }

    /// - Parameter roomBytes: what may be kept more.
    mutating func append(_ reply: Reply, roomBytes: Int = .max) {
        count += 1
        guard !isTooLarge else { return }
        let replyBytes = RESPEncoder.encodedBytes(of: reply, version: .two)
        guard replyBytes <= min(byteCountMax - byteCount, roomBytes) else {
            (isTooLarge, replies, byteCount) = (true, [], 0)
            return
        }
        byteCount += replyBytes
        replies.append(reply)
    }

    var reply: Reply {
        !isTooLarge
            ? .array(replies)
            : .error("ERR the commands were carried out, but their replies occupy more than client-output-buffer-limit, or than there is memory")
    }
}
