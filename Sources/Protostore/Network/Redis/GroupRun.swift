/// A command on several keys, or a transaction, while it is carried out: see ``CommitGroup``.
///
/// ```
/// takingKeys     holds are sent: all keys of one shard in one go, shard after shard in
///                ascending order. Nothing else is carried out on a key that is held.
/// running        all keys are held: the commands run, one after the other, on what the
///                holds have brought; those about all keys or the server wait for a walk
///                or for the main thread
/// committing     what they changed is on its way to the disk as one commit; left out
///                where nothing was changed
/// releasing      slots point to the new records, or to the old ones; behind it the
///                client gets its reply
/// settling       the commit needs no replay any more
/// ```
///
/// A run goes on to its end whatever becomes of its connection: its keys are others' too.
final class GroupRun {
    enum Purpose {
        /// One command.
        case command
        /// EXEC: an array of replies, and nothing where a watched key was changed.
        case transaction
        /// WATCH: remembers what the keys are.
        case watch
    }

    /// A key of the group.
    struct Key {
        let name: KeyName
        let hash: UInt64
        let shard: Int
        /// None of the commands may change it.
        let isRead: Bool
        var ticket = RequestTable.none
        var isHeld = false
        var existed = false
        /// Of its record, or the mark of there being none.
        var sequence: UInt64 = 0
    }

    let purpose: Purpose
    let connection: ConnectionID
    let ticket: UInt32
    let commands: [QueuedCommand]
    /// Those of the next command: a SELECT changes them.
    var surroundings: CommandSurroundings
    /// In order of shard and hash.
    var keys: [Key]
    /// What WATCH has seen, of a transaction.
    let watched: [KeyName: WatchedKey]
    let group = CommitGroup()
    let keyspace = Keyspace()
    /// Of the keys of `keyspace`, where they are in `keys`.
    private(set) var places: [Int] = []
    /// The first key that has not been sent to its shard.
    var next = 0
    /// Messages without an answer.
    var outstanding = 0
    var isTakingKeys = true
    /// The shard whose log the commit is in, as a key of it; nil without a commit.
    var committer: Int?
    /// What went wrong, if anything.
    var failure: Reply?
    var reply = Reply.none
    /// Of a transaction's commands that have run.
    var replies: TransactionReplies
    /// Who asks, where commands are about the server.
    var client: ClientSnapshot?
    /// What the transaction's next command waits for, where that is a walk.
    var walk: ScanRun?
    /// Values that the holds have brought, and their bytes.
    private var copies: [UnsafeMutableRawBufferPointer] = []
    private(set) var copiedBytes = 0

    init(
        _ purpose: Purpose, connection: ConnectionID, ticket: UInt32, commands: [QueuedCommand], keys: [Key],
        watched: [KeyName: WatchedKey] = [:], _ surroundings: CommandSurroundings
    ) {
        self.purpose = purpose
        self.connection = connection
        self.ticket = ticket
        self.commands = commands
        self.keys = keys
        self.watched = watched
        self.surroundings = surroundings
        replies = TransactionReplies(byteCountMax: surroundings.replyBytesMax)
    }

    deinit {
        for copy in copies { copy.deallocate() }
    }

    /// Takes what a hold has brought.
    /// - Parameter keeps: whether the value will be wanted.
    func note(_ position: Int, _ reply: ShardReply, keeps: Bool) {
        keys[position].isHeld = true
        places.append(position)
        keys[position].existed = reply.existed
        keys[position].sequence = reply.sequence
        guard reply.existed, keeps, purpose != .watch else { return keyspace.add(keys[position].name, nil) }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(reply.valueBytes), alignment: 1)
        copy.copyMemory(from: reply.valueBuffer)
        copies.append(copy)
        copiedBytes += copy.count
        var record = KeyRecord(reply)
        record.value = UnsafeRawBufferPointer(copy)
        keyspace.add(keys[position].name, record)
    }

    // MARK: What its commands have changed so far

    /// How many keys more a namespace has for its next command than for others.
    func keysAdded(to namespace: UInt32) -> Int {
        var count = 0
        forEachChange(of: namespace) { _, isThere in count += isThere ? 1 : -1 }
        return count
    }

    /// Makes of what a walk has found what the next command is to see.
    func amend(_ walk: ScanRun) {
        var deleted: Set<[UInt8]> = []
        forEachChange(of: walk.namespace) { key, isThere in
            if isThere { walk.add(key.name.bytes, at: IndexPosition(of: key.hash)) } else { deleted.insert(key.name.bytes) }
        }
        if !deleted.isEmpty { walk.remove(deleted) }
    }

    /// Hands over the keys of a namespace that are there now and were not before, or the other
    /// way round.
    private func forEachChange(of namespace: UInt32, _ body: (Key, _ isThere: Bool) -> Void) {
        for position in 0..<keyspace.count where keyspace.key(at: position).namespace == namespace {
            let key = keys[places[position]]
            switch keyspace.change(at: position).0 {
            case .stored where !key.existed: body(key, true)
            case .deleted where key.existed: body(key, false)
            case .none, .stored, .deleted: continue
            }
        }
    }

    /// Whether a key is not any more what WATCH has seen.
    func isWatchBroken(_ generations: [UInt64]) -> Bool {
        keys.contains { key in
            watched[key.name]?.hasChanged(key.name, sequence: key.sequence, surroundings.namespaces, generations) ?? false
        }
    }
}
