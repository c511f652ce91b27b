/// What front ends and shards say to each other. Plain values, so that they pass
/// through rings and mailboxes without anybody counting references.

/// An operation on one key, on its way to the shard that owns the key.
package struct ShardRequest: BitwiseCopyable, @unchecked Sendable {
    // Sendable because the front end leaves key, write and value alone until the reply has come.

    package enum Operation: UInt8, BitwiseCopyable, Sendable {
        /// Replies `found` or `missing`.
        case get
        /// A get without the value: reads header and key only. Replies `found`, with the
        /// value's length, or `missing`.
        case probe
        /// Stores `write`, as its condition says. Replies `done` or `conditionFailed`.
        case put
        /// Deletes the key. Replies `done`, with `existed`.
        case delete
        /// Lets `write.update` decide what becomes of the record. Replies `done`.
        case update
        /// Waits until no operation on the key is under way and keeps others waiting
        /// until `release`. Replies `done`, with `existed` and, if asked for, the value.
        /// See ``CommitGroup`` for the order in which holds must come.
        case hold
        /// Stores the members of `write.group`, whose keys are held, as one commit of
        /// this shard's log: all of them or none. Replies `done`.
        case commit
        /// Ends a hold: points the key's slot to what `commit` stored. Replies `done`.
        case release
        /// All keys of a commit have been released. Replies `done`.
        case settle
        /// A step of a walk through the keys, as `write.scan` says. Replies `done`.
        case scan
    }

    /// `KeyHash.index` of the key.
    package var hash: UInt64
    /// The key's bytes; they stay where they are until the reply has come.
    package var key: UnsafeRawPointer?
    /// What an operation brings beyond its key; nil for `get`, `probe`, and a `delete` that
    /// wants no old value. It stays where it is until the reply has come.
    package var write: UnsafeMutablePointer<WriteDetails>?
    /// The front end's name for this request, returned with the reply.
    package var ticket: UInt32
    /// What the front end has set aside for the reply. A record that may need more
    /// is not read: the reply says how much to set aside before asking again.
    package var allowanceBytes: UInt32
    package var namespace: UInt32 = 0
    package var keyBytes: UInt16
    /// Which front end gets the reply.
    package var client: UInt16
    package var operation: Operation

    package init(
        _ operation: Operation = .get, hash: UInt64, key: UnsafeRawBufferPointer, client: UInt16, ticket: UInt32,
        allowanceBytes: UInt32, write: UnsafeMutablePointer<WriteDetails>? = nil
    ) {
        self.operation = operation
        self.hash = hash
        self.key = key.baseAddress
        self.write = write
        keyBytes = UInt16(key.count)
        self.client = client
        self.ticket = ticket
        self.allowanceBytes = allowanceBytes
    }

    var keyBuffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: key, count: Int(keyBytes)) }
}

/// What a write brings. It belongs to the front end, which keeps it and what it
/// points to until the reply has come.
package struct WriteDetails {
    package enum Condition: UInt8, BitwiseCopyable, Sendable {
        case always
        case ifAbsent
        case ifPresent
    }

    package var value: UnsafeRawPointer?
    package var valueBytes: UInt32 = 0
    package var valueType: UInt8 = 0
    package var condition = Condition.always
    /// The reply shall hold the value that the key had before, if it had one.
    package var returnsOldValue = false
    /// For `hold`: the group will not write this key. So the hold needs no room in the
    /// index, and a record beside it that cannot be read does not matter.
    package var holdsForReading = false
    /// Milliseconds since 1970; 0 = never.
    package var expiryMilliseconds: UInt64 = 0
    /// For `update`.
    package var update: ShardUpdate?
    /// For `commit`, `release` and `settle`.
    package var group: CommitGroup?
    /// For `scan`.
    package var scan: ShardScan?

    package init() {}

    package init(value: UnsafeRawBufferPointer) {
        self.value = value.baseAddress
        valueBytes = UInt32(value.count)
    }

    var valueBuffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: value, count: Int(valueBytes)) }
}

/// The answer to a ``ShardRequest``.
package struct ShardReply: BitwiseCopyable, @unchecked Sendable {
    // Sendable because the shard leaves the buffer alone until it is given back.

    package enum Status: UInt8, BitwiseCopyable, Sendable {
        /// `value` holds `valueBytes` verified bytes, and `buffer` must be given back; both
        /// are nil after a `probe`.
        case found
        case missing
        /// Set `extentBytes` aside and ask again.
        case needsAllowance
        /// A candidate record could not be read or is damaged, and no other matched.
        case unreadable
        /// The operation took effect, and what it wrote is as durable as `--sync` says.
        case done
        /// The condition of a put did not hold; nothing was written.
        case conditionFailed
        /// Nothing was written, or, for `storeFailed`, it is not known whether it was; `refusal` says why.
        case refused
    }

    package var status: Status
    package var refusal = WriteRefusal.none
    /// Whether the key had a value before the operation.
    package var existed = false
    package var client: UInt16
    package var ticket: UInt32
    /// The length of the value that the key has, or had before the operation, whether or
    /// not `value` holds it. This and what follows about the record is set wherever the
    /// operation looked at one: not by a put without condition that wants no old value.
    package var valueBytes: UInt32 = 0
    /// What the index says that the record may have at most.
    package var extentBytes: UInt32 = 0
    /// Of the value; 0 = never.
    package var expiryMilliseconds: UInt64 = 0
    /// When the record was written, in milliseconds since 1970.
    package var writtenMilliseconds: UInt64 = 0
    /// Of the record; no two versions of a key have the same. Where there was none: 0, and of a hold
    /// a mark that changes where the key was there meanwhile (``DeletionCounts``).
    package var sequence: UInt64 = 0
    /// Of the value.
    package var valueType: UInt8 = 0
    /// Where the record stands in the commit that the reply waits for, whose records have
    /// no sequence numbers yet; or -1.
    var shownEntry: Int32 = -1
    package var value: UnsafeRawPointer?
    /// The shard's read buffer around `value`; given back with `Shard.release`.
    package var buffer: UnsafeMutableRawPointer?

    init(_ status: Status, to request: ShardRequest) {
        self.status = status
        client = request.client
        ticket = request.ticket
    }

    /// Says what the record is that the operation looked at.
    mutating func describe(_ facts: RecordFacts) {
        valueBytes = facts.valueBytes
        expiryMilliseconds = facts.expiryMilliseconds
        writtenMilliseconds = facts.writtenMilliseconds
        sequence = facts.sequence
        valueType = facts.valueType
        shownEntry = facts.entry
    }

    /// Empty where the reply brings no value.
    package var valueBuffer: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : Int(valueBytes))
    }
}

/// What is known of a record besides its key and its value.
struct RecordFacts: BitwiseCopyable {
    var valueBytes: UInt32 = 0
    var valueType: UInt8 = 0
    /// Milliseconds since 1970; 0 = never.
    var expiryMilliseconds: UInt64 = 0
    var writtenMilliseconds: UInt64 = 0
    /// 0 while it is not known: see `entry`.
    var sequence: UInt64 = 0
    /// Its place in the commit that is being filled, or -1 if it is not in that one.
    var entry: Int32 = -1

    init() {}

    /// Of a put's header.
    init(_ header: Record.Header) {
        valueBytes = header.valueBytes
        valueType = header.valueType
        expiryMilliseconds = header.expiryMilliseconds
        writtenMilliseconds = header.writeMilliseconds
        sequence = header.sequence
    }
}

/// Why a write was refused.
package enum WriteRefusal: UInt8, BitwiseCopyable, Sendable, CustomStringConvertible {
    case none
    case noSpace
    case indexFull
    case storeFailed
    case tooLarge
    /// So many keys of a shard are held that no more can be: ``Shard/heldKeysMax``.
    case tooManyHolds
    /// A group was to write a key that it holds for reading.
    case heldForReading

    package var description: String {
        switch self {
        case .none: "it was not refused"
        case .noSpace: "no segment is free: the disk or the store's size limit is full"
        case .indexFull: "there is no memory for more keys in the index (see --index-path)"
        case .storeFailed:
            "an earlier write or flush failed: the store takes no writes until it is restarted and its disk was checked"
        case .tooLarge: "key and value do not fit into --max-value-size or into a segment"
        case .tooManyHolds: "too many keys are in use by commands on several keys: try again"
        case .heldForReading: "a key that was held for reading was to be written"
        }
    }
}
