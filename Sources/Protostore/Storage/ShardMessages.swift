/// What front ends and shards say to each other. Plain values, so that they pass
/// through rings and mailboxes without anybody counting references.

/// A GET on its way to the shard that owns its key.
package struct ReadRequest: BitwiseCopyable, @unchecked Sendable {
    // Sendable because the front end leaves the key alone until the reply has come.

    /// `KeyHash.index` of the key.
    package var hash: UInt64
    /// The key's bytes; they stay where they are until the reply has come.
    package var key: UnsafeRawPointer
    package var keyBytes: UInt16
    /// Which front end gets the reply.
    package var client: UInt16
    /// The front end's name for this request, returned with the reply.
    package var ticket: UInt32
    /// What the front end has set aside for the reply. A record that may need more
    /// is not read: the reply says how much to set aside before asking again.
    package var allowanceBytes: UInt32

    package init(
        hash: UInt64, key: UnsafeRawBufferPointer, client: UInt16, ticket: UInt32, allowanceBytes: UInt32
    ) {
        self.hash = hash
        self.key = key.baseAddress!
        keyBytes = UInt16(key.count)
        self.client = client
        self.ticket = ticket
        self.allowanceBytes = allowanceBytes
    }

    var keyBuffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: key, count: Int(keyBytes)) }
}

/// The answer to a ``ReadRequest``.
package struct ReadReply: BitwiseCopyable, @unchecked Sendable {
    // Sendable because the shard leaves the buffer alone until it is given back.

    package enum Status: UInt8, BitwiseCopyable, Sendable {
        /// `value` holds `valueBytes` verified bytes, and `buffer` must be given back.
        case found
        case missing
        /// Set `extentBytes` aside and ask again.
        case needsAllowance
        /// A candidate record could not be read or is damaged, and no other matched.
        case unreadable
    }

    package var status: Status
    package var client: UInt16
    package var ticket: UInt32
    package var valueBytes: UInt32 = 0
    /// What the index says that the record may have at most.
    package var extentBytes: UInt32 = 0
    package var value: UnsafeRawPointer?
    /// The shard's read buffer around `value`; given back with `Shard.release`.
    package var buffer: UnsafeMutableRawPointer?

    init(_ status: Status, to request: ReadRequest) {
        self.status = status
        client = request.client
        ticket = request.ticket
    }

    package var valueBuffer: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: value, count: Int(valueBytes))
    }
}
