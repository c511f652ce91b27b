/// Writes to several keys that become durable together: see ``CommitGroup``.
extension Shard where Memory: ~Copyable {
    /// Keeps a key for a group, once nothing else is under way on it.
    mutating func hold(_ request: ShardRequest, _ number: UInt32) -> Step {
        let returnsOldValue = request.write?.pointee.returnsOldValue ?? false
        let isForReading = request.write?.pointee.holdsForReading ?? false
        let version = version(of: number)
        var reply = ShardReply(.done, to: request)
        switch version {
        case .unknown: return .needsBase(isWhole: returnsOldValue)
        case .stored(_, nil) where returnsOldValue: return .needsBase(isWhole: true)
        case .unreadable:
            replies.append(ShardReply(.unreadable, to: request))
            return .finished
        case .absent(nil): reply.sequence = deletions.mark(of: pending[number].hash)
        case .stored(let facts, _):
            reply.existed = true
            reply.describe(facts)
        // The commit on its way lets the key go on when it ends.
        case .absent, .latest: return .stalled
        }
        // The group may delete the key: see `remove`.
        guard isForReading || !pending[number].hasUnreadableSlots else {
            replies.append(ShardReply(.unreadable, to: request))
            return .finished
        }
        guard !pending.hasEveryHold else { return refuse(request, .tooManyHolds) }
        if returnsOldValue, !attachOld(version, to: &reply) { return .stalled }
        guard isForReading || reserve(number) else {
            if let buffer = reply.buffer { release(buffer) }
            return refuse(request, .indexFull)
        }
        if isForReading {
            pending.holdForReading(number)
            if PlantedBug.isPlanted(.readingHoldKeepsNobody) { pending.endHold(number) }
        } else {
            pending.hold(number, sequence: log.sequence)
        }
        dropValue(of: number)
        request.write?.pointee.group?.raise(toSequence: log.sequence)
        replies.append(reply)
        return .finished
    }

    /// Appends all members of a group to the commit that is being filled.
    mutating func startGroup(_ request: ShardRequest) {
        guard let group = request.write?.pointee.group else {
            _ = refuse(request, .tooLarge)
            return
        }
        let layout = store.segments.layout
        let recordsBytes = group.members.reduce(0) { $0 + layout.padded($1.recordBytes) }
        guard !group.writesWhatItHoldsForReading else {
            _ = refuse(request, .heldForReading)
            return
        }
        guard isPossible(group, recordsBytes: recordsBytes) else {
            _ = refuse(request, .tooLarge)
            return
        }
        if buffers[filling].isFull(for: group.members.count, recordsBytes: recordsBytes) {
            return stalledGroups.append(request)
        }
        let purpose: SegmentPool.Purpose = group.members.allSatisfy(\.isDelete) ? .deletes : .writes
        switch place(recordCount: group.members.count, recordsBytes: recordsBytes, for: purpose) {
        case .secured:
            append(group)
            answer(ShardReply(.done, to: request), request, with: filling)
        case .comes: stalledGroups.append(request)
        case .refused(let refusal): _ = refuse(request, refusal)
        }
    }

    /// Whether the group fits into one commit of an empty segment.
    private func isPossible(_ group: CommitGroup, recordsBytes: Int) -> Bool {
        let limits = CommitGroupLimits(store.segments.layout)
        let count = group.members.count
        return count > 0 && count <= limits.memberCountMax
            && group.members.allSatisfy { $0.value.count <= options.valueBytesMax && $0.recordBytes <= recordBytesMax }
            && recordsBytes <= limits.recordsBytesMax(memberCount: count)
    }

    private mutating func append(_ group: CommitGroup) {
        log.sequence = max(log.sequence, group.sequence)
        buffers[filling].groups.append((group, buffers[filling].count))
        for member in group.members {
            let request = member.request
            var header = makeHeader(member.isDelete ? .delete : .put, request.namespace, keyBytes: request.keyBytes)
            header.flags = .multiKey
            header.valueBytes = UInt32(member.value.count)
            if !member.isDelete, let write = request.write {
                header.valueType = write.pointee.valueType
                header.expiryMilliseconds = write.pointee.expiryMilliseconds
            }
            let hash = KeyHash(request.keyBuffer, namespace: request.namespace, seed: options.hashSeed)
            _ = buffers[filling].append(
                header, key: request.keyBuffer, value: member.value, hash: hash, pendingKey: PendingKeys.none)
        }
    }

    /// The commit with these groups is durable: says where their records are.
    mutating func completeGroups() {
        for (group, first) in buffers[flight.buffer].groups {
            for position in group.members.indices {
                let entry = buffers[flight.buffer][first + position]
                group.members[position].slot = entry.header.kind == .put ? slot(of: entry) : nil
                group.members[position].sequence = entry.header.sequence
                group.members[position].writtenMilliseconds = entry.header.writeMilliseconds
            }
            group.noteDurable()
            group.commitNumber = flight.header.number
            unsettled.append(flight.header.number)
        }
    }

    mutating func failGroups(in number: Int) {
        for (group, _) in buffers[number].groups { group.isDurable = false }
    }

    /// Ends a hold: points the slot to the group's record, if there is one.
    mutating func releaseHold(_ request: ShardRequest) {
        guard let number = pending.find(request), pending[number].isHeld else {
            if PlantedBug.isPlanted(.readingHoldKeepsNobody) { return replies.append(ShardReply(.done, to: request)) }
            _ = refuse(request, .tooLarge)
            return
        }
        if !pending[number].isHeldForReading, let member = request.write?.pointee.group?.durableMember(of: request) {
            point(number, to: member.slot)
            pending[number].facts = member.facts
            log.sequence = max(log.sequence, member.sequence)
        }
        pending.endHold(number)
        replies.append(ShardReply(.done, to: request))
        run(number)
    }

    /// All members of a group have their slots: its commit needs no replay any more.
    mutating func settleGroup(_ request: ShardRequest) {
        if let group = request.write?.pointee.group, let place = unsettled.firstIndex(of: group.commitNumber) {
            unsettled.remove(at: place)
        }
        noteApplied()
        replies.append(ShardReply(.done, to: request))
    }

    /// Says to the index which commits have all their slots set, for whoever adopts it.
    /// After a failure one of them may be on the disk without its slots.
    mutating func noteApplied() {
        guard store.health.acceptsWrites else { return }
        let last = flight.state == .none ? log.last.number : flight.header.number - 1
        if PlantedBug.isPlanted(.claimCommitInFlight) {
            return index.storage.setApplied(log: Int(log.number), to: log.last.number)
        }
        if PlantedBug.isPlanted(.forgetUnsettledGroups) { unsettled.removeAll() }
        let applied = unsettled.min().map { min($0 - 1, last) } ?? last
        index.storage.setApplied(log: Int(log.number), to: applied)
        compactor.desk.applied = applied
    }
}
