/// Brings an index up to date with records that it may hold already: the tail
/// of the logs behind the last commit that is known to be in it.
///
/// For each record, in the order of sequence numbers:
///
/// ```
/// slots that match the hash          put                   copy                  delete
/// ---------------------------------  --------------------  --------------------  --------------------
/// at the record's own place          done already          done already          -
/// the key's, of a higher sequence    nothing               nothing               nothing
/// the key's, of the same sequence    nothing               point it at the copy  remove it
/// the key's, of a lower sequence     point it at the put   nothing               remove it
/// of a record that is unreadable     keep it               keep it               keep it
/// none of the key's                  add one               nothing               nothing
/// ```
///
/// So replaying once more changes nothing, and whatever part of the tail the
/// index held before, the result is the same.
///
/// ASSUMPTIONS. For each key the records are the end of its history: all from
/// some moment on, and the index holds the effect of everything before it. A
/// delete leaves nothing in the index that could stop an older put.
package struct IndexReplay {
    /// A record of the tail, with what it was found by.
    package struct Entry: Sendable {
        package var record: IndexedRecord
        package var namespace: UInt32
        package var key: [UInt8]

        package init(_ record: IndexedRecord, namespace: UInt32, key: [UInt8]) {
            self.record = record
            self.namespace = namespace
            self.key = key
        }
    }

    /// Whose record stands at a place of the datafile.
    package struct StoredKey: Equatable, Sendable {
        package var namespace: UInt32
        package var key: [UInt8]
        package var sequence: UInt64

        package init(namespace: UInt32, key: [UInt8], sequence: UInt64) {
            self.namespace = namespace
            self.key = key
            self.sequence = sequence
        }
    }

    /// Slots that were added, moved or removed.
    package private(set) var changeCount = 0
    /// Slots whose record could not be read; they were kept.
    package private(set) var unreadableCount = 0

    private let entries: [Entry]
    private let layout: DatafileLayout
    private let namespaces: DatabaseNamespaces
    private var entryAt: [Int: Int] = [:]

    /// - Parameters:
    ///   - entries: in any order.
    ///   - namespaces: of the databases: slots of others are not counted.
    package init(_ entries: [Entry], layout: DatafileLayout, namespaces: DatabaseNamespaces = DatabaseNamespaces()) {
        self.entries = entries
        self.layout = layout
        self.namespaces = namespaces
        for (number, entry) in entries.enumerated() { entryAt[entry.record.offset] = number }
    }

    /// Applies all entries.
    /// - Parameters:
    ///   - storage: of which no partition is taken.
    ///   - readKey: whose record is at an offset of the datafile in bytes, nil where
    ///     that cannot be read. Asked for candidates that are no entry themselves.
    /// - Throws: where the index has no room. Part has been applied; all may be again.
    /// - Complexity: O(n log n) for n entries, and a read for each slot that looks like an entry's.
    package mutating func blockingApply<Memory: IndexMemory & ~Copyable>(
        to storage: IndexStorage<Memory>, readKey: (Int) -> StoredKey?
    ) throws(IndexError) {
        // A record comes before its copy.
        let order = entries.indices.sorted {
            entries[$0].place($0) < entries[$1].place($1)
        }
        let ofPartition = Dictionary(grouping: order) { storage.partition(of: entries[$0].record.hash.index) }
        for (partition, numbers) in ofPartition.sorted(by: { $0.key < $1.key }) {
            var index = try storage.takePartition(partition)
            for number in numbers { try apply(entries[number], to: &index, readKey) }
        }
    }

    private mutating func apply<Memory: IndexMemory & ~Copyable>(
        _ entry: Entry, to index: inout HashIndex<Memory>, _ readKey: (Int) -> StoredKey?
    ) throws(IndexError) {
        guard let slot = entry.record.slot(layout: layout) else { return }
        let hash = entry.record.hash.index
        let candidates = index.slots(matching: hash).map(\.location)
        if entry.record.kind == .put, candidates.contains(slot.location) { return }
        var stale: [UInt64] = []
        for location in candidates {
            guard let sequence = sequence(at: location, of: entry, readKey) else { continue }
            guard entry.record.supersedes(sequence) else { return }
            if !entry.record.isCopy || sequence == entry.record.sequence { stale.append(location) }
        }
        if entry.record.kind == .put {
            if let location = stale.popLast() {
                _ = index.replace(hash, oldLocation: location, with: slot)
                changeCount += 1
            } else if !entry.record.isCopy {
                try index.insert(hash, slot, of: entry.namespace, namespaces)
                changeCount += 1
            }
        }
        for location in stale {
            _ = index.remove(hash, location: location, of: entry.namespace, namespaces)
            changeCount += 1
        }
    }

    /// - Returns: nil where the record at `location` is another key's or unreadable.
    private mutating func sequence(
        at location: UInt64, of entry: Entry, _ readKey: (Int) -> StoredKey?
    ) -> UInt64? {
        let offset = Int(location) * layout.granuleBytes
        if let number = entryAt[offset] {
            let other = entries[number]
            return other.namespace == entry.namespace && other.key == entry.key ? other.record.sequence : nil
        }
        guard let stored = readKey(offset) else {
            unreadableCount += 1
            return nil
        }
        return stored.namespace == entry.namespace && stored.key == entry.key ? stored.sequence : nil
    }
}

extension IndexReplay.Entry {
    /// By what entries are ordered.
    fileprivate func place(_ number: Int) -> (UInt64, Int, Int) { (record.sequence, record.isCopy ? 1 : 0, number) }
}

extension IndexedRecord {
    /// Whether the slot of a record of the same key with that sequence number gives way to this one.
    fileprivate func supersedes(_ other: UInt64) -> Bool {
        switch kind {
        case .delete: other <= sequence
        case .put: isCopy ? other <= sequence : other < sequence
        }
    }
}

extension HashIndex where Memory: ~Copyable {
    /// All slots that may be those of the hash.
    fileprivate func slots(matching hash: UInt64) -> [IndexSlot] {
        var slots: [IndexSlot] = []
        _ = firstSlot(matching: hash) { slot in
            slots.append(slot)
            return false
        }
        return slots
    }
}
