/// Writes to several keys, possibly of several shards, that become durable together.
///
/// ```
/// front end        shards of the keys                 one of the shards
/// ---------        ------------------                 -----------------
/// hold  ---------> in order of shard and hash, one
///                  after the other: no deadlock
///       <--------- done, with the old values
/// commit -------------------------------------------> one commit with all records
///       <-------------------------------------------- done: durable; members have places
/// release -------> slots point to these places
///       <--------- done; then the client gets its reply
/// settle -------------------------------------------> the commit needs no replay any more
/// ```
///
/// While a key is held, everything else on it waits, so that nobody sees one
/// member without the others. A crash keeps the commit, and with it all members, or
/// none. Owned by the front end; shards touch it between a request and its reply only.
package final class CommitGroup: @unchecked Sendable {
    // Sendable because of the rule above: one thread at a time, handed over by messages.

    package struct Member {
        package var request: ShardRequest
        package var isDelete: Bool
        /// Where the record is, once it is durable; nil before, and if the commit was refused.
        package internal(set) var slot: IndexSlot?
        package internal(set) var sequence: UInt64 = 0
        /// When it was written, in milliseconds since 1970.
        package internal(set) var writtenMilliseconds: UInt64 = 0

        package init(_ request: ShardRequest, isDelete: Bool) {
            self.request = request
            self.isDelete = isDelete
        }

        var value: UnsafeRawBufferPointer {
            isDelete ? UnsafeRawBufferPointer(start: nil, count: 0) : request.write?.pointee.valueBuffer
                ?? UnsafeRawBufferPointer(start: nil, count: 0)
        }

        /// Without padding.
        var recordBytes: Int { Record.headerBytes + Int(request.keyBytes) + value.count }

        /// Of its record, once that is durable.
        var facts: RecordFacts {
            var facts = RecordFacts()
            facts.valueBytes = UInt32(value.count)
            facts.valueType = request.write?.pointee.valueType ?? 0
            facts.expiryMilliseconds = request.write?.pointee.expiryMilliseconds ?? 0
            facts.writtenMilliseconds = writtenMilliseconds
            facts.sequence = sequence
            return facts
        }

        func isOf(_ other: ShardRequest) -> Bool {
            request.hash == other.hash && request.namespace == other.namespace
                && request.keyBuffer.elementsEqual(other.keyBuffer)
        }
    }

    /// One for each key that is held.
    package internal(set) var members: [Member]
    /// The commit is as durable as writes are: releases point to it.
    package internal(set) var isDurable = false
    /// The highest sequence number that any shard has said; the commit's are above it.
    package var sequence: UInt64 = 0
    /// Of the commit, in the log of the shard that wrote it.
    package internal(set) var commitNumber: UInt64 = 0

    package init(_ members: [Member] = []) {
        self.members = members
    }

    /// Adds a write to a key that is held, before `commit`.
    package func add(_ member: Member) {
        members.append(member)
    }

    func raise(toSequence sequence: UInt64) {
        self.sequence = max(self.sequence, sequence)
    }
}

/// What `update` does: looks at the record and says what becomes of it. Called on the
/// shard's thread with the operations before it on the same key in effect; once more
/// where what it said found no room, so that it must say the same of the same record.
package final class ShardUpdate: @unchecked Sendable {
    // Sendable because only the shard's thread touches it between request and reply.

    package struct Record {
        package var value: UnsafeRawBufferPointer
        package var expiryMilliseconds: UInt64
        package var valueType: UInt8
        /// As in ``ShardReply/sequence``; `UInt64.max` for a record that no reply has shown
        /// yet, since it is in the same commit: newer than all others.
        package var sequence: UInt64 = 0
        /// When it was written, in milliseconds since 1970.
        package var writtenMilliseconds: UInt64 = 0

        init(value: UnsafeRawBufferPointer, expiryMilliseconds: UInt64, valueType: UInt8) {
            self.value = value
            self.expiryMilliseconds = expiryMilliseconds
            self.valueType = valueType
        }

        init(_ facts: RecordFacts, value: UnsafeRawBufferPointer) {
            self.init(value: value, expiryMilliseconds: facts.expiryMilliseconds, valueType: facts.valueType)
            sequence = facts.entry < 0 ? facts.sequence : .max
            writtenMilliseconds = facts.writtenMilliseconds
        }
    }

    package enum Outcome {
        case keep
        case delete
        /// The bytes are copied before the next call.
        case put(UnsafeRawBufferPointer, expiryMilliseconds: UInt64, valueType: UInt8)
    }

    /// Gets nil where the key has no value.
    package let decide: (Record?) -> Outcome

    package init(_ decide: @escaping (Record?) -> Outcome) {
        self.decide = decide
    }
}
