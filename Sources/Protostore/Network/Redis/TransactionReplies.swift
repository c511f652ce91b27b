/// What the commands of a transaction have answered so far.
///
/// A few short commands can ask for one large value often: what is kept is bounded. Beyond, the
/// commands are carried out all the same, and the transaction has an error for its reply.
struct TransactionReplies {
    private let byteCountMax: Int
    private(set) var count = 0
    private var replies: [Reply] = []
    private var byteCount = 0

    init(byteCountMax: Int) {
        self.byteCountMax = byteCountMax
    }

    mutating func append(_ reply: Reply) {
        count += 1
        guard byteCount <= byteCountMax else { return }
        byteCount += RESPEncoder.encodedBytes(of: reply, version: .two)
        if byteCount <= byteCountMax { replies.append(reply) } else { replies = [] }
    }

    var reply: Reply {
        byteCount <= byteCountMax
            ? .array(replies)
            : .error("ERR the commands were carried out, but their replies occupy more than client-output-buffer-limit")
    }
}
