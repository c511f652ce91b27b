/// Writes to several keys, possibly of several shards, that become durable together.
///
/// ```
/// front end        shards of the keys                 one of the shards
/// ---------        ------------------                 -----------------
/// hold  ---------> all of one shard in one run, shard
///                  after shard in ascending order
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
///
/// HOLDS. A group's holds at one shard are one run of requests, with nothing of anybody
/// else's in between when they arrive: a front end sends them in one turn, and a mailbox
/// shows a turn's messages at once. When all of a run are answered, whatever the answers,
/// the run for the next shard goes out, or, where one was refused or its key could not be
/// read, the others are released.
///
/// NO DEADLOCK. At a shard, one group's run arrives before another's. A key's queue is in
/// order of arrival and nothing ever changes that order: what stalls, or waits for the
/// base, stays at the head of its key's queue, and what is refused leaves it. So at every
/// key that two groups share, the group whose run came first is first. Suppose groups
/// waited for each other in a circle, each at a shard for one that is before it there.
/// That one has been at this shard, and is there still or at a later one: so on the way
/// round the shards never go down, and all are the same. But there each would have arrived
/// before the one that waits for it, and so before itself.
///
/// Nor does a hold wait for anything else that a held key keeps back. It waits for a
/// commit of its key's earlier writes, which ends when the disk has answered; for reads,
/// which need only memory that stalled keys give up; and, where it asks for the old value,
/// for memory of replies: so front ends give the buffer of a reply back without waiting
/// for any other reply. Room for more keys, in the index or in the shard's table, is not
/// waited for but refused. A commit waits for room in the log, which compaction makes
/// without waiting for keys that are held. A group that has its keys may wait for a scan, or for
/// the main thread: neither waits for any key.
///
/// READING. Whoever holds several keys for reading (``WriteDetails/holdsForReading``) sees
/// all members of any group or none. Such holds are released without a commit.
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

    /// Positions in `members` in order of their hashes, once they are durable.
    private var order: [Int] = []

    /// Says that all members have their places.
    func noteDurable() {
        order = members.indices.sorted { (members[$0].request.hash, $0) < (members[$1].request.hash, $1) }
        isDurable = true
    }

    /// The member that writes the key of a request, if its record is durable. O(log members).
    func durableMember(of request: ShardRequest) -> Member? {
        guard isDurable else { return nil }
        var (low, high) = (0, order.count)
        while low < high {
            let middle = (low + high) / 2
            if members[order[middle]].request.hash < request.hash { low = middle + 1 } else { high = middle }
        }
        while low < order.count, members[order[low]].request.hash == request.hash {
            if members[order[low]].isOf(request) { return members[order[low]] }
            low += 1
        }
        return nil
    }

    var writesWhatItHoldsForReading: Bool {
        members.contains { $0.request.write?.pointee.holdsForReading ?? false }
    }

    func raise(toSequence sequence: UInt64) {
        self.sequence = max(self.sequence, sequence)
    }
}

/// How large the commit of a ``CommitGroup`` may be: what a front end checks before it
/// holds keys. A group within these limits is refused for its size only if one of its values
/// is larger than a value may be.
package struct CommitGroupLimits: Sendable {
    private let layout: DatafileLayout
    /// The most members that a group may have: 4,096, or less with segments below 1 MiB.
    package let memberCountMax: Int

    package init(_ layout: DatafileLayout) {
        self.layout = layout
        memberCountMax = CommitBuffer.recordCountMax(layout)
    }

    /// What a member counts; a delete's value has no bytes.
    package func recordBytes(keyBytes: Int, valueBytes: Int) -> Int {
        layout.padded(Record.headerBytes + keyBytes + valueBytes)
    }

    /// The most bytes that all members may count together: somewhat less than a segment.
    /// - Parameter memberCount: 1...`memberCountMax`.
    package func recordsBytesMax(memberCount: Int) -> Int {
        SegmentSpace.commitRecordsBytesMax(layout, recordCount: memberCount)
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
