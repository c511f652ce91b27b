/// A key, and the namespace that its database had when the command came.
package struct KeyName: Hashable, Sendable {
    package var namespace: UInt32
    package var bytes: [UInt8]

    package init(namespace: UInt32, bytes: [UInt8]) {
        self.namespace = namespace
        self.bytes = bytes
    }
}

/// What a key holds, as a command sees it.
package struct KeyRecord {
    /// Stays where it is until the key is changed, or the command is over.
    package var value: UnsafeRawBufferPointer
    /// Milliseconds since 1970; 0 = never.
    package var expiryMilliseconds: UInt64 = 0
    package var valueType: UInt8 = 0
    /// When it was written; 0 where that is not known: it is being written.
    package var writtenMilliseconds: UInt64 = 0

    package init(
        value: UnsafeRawBufferPointer, expiryMilliseconds: UInt64 = 0, valueType: UInt8 = 0,
        writtenMilliseconds: UInt64 = 0
    ) {
        self.value = value
        self.expiryMilliseconds = expiryMilliseconds
        self.valueType = valueType
        self.writtenMilliseconds = writtenMilliseconds
    }
}

/// The keys that a command, or all commands of a transaction, may look at and change.
///
/// ```
/// one key, read          front end: from the shard's reply
/// one key, written       shard: inside an update (``ShardUpdate``)
/// several keys           front end: from the replies to holds (``CommitGroup``)
/// ```
///
/// Whoever carries a command out fills it, lets the commands run one after the other,
/// and makes the changes durable as a whole. So each command is written once.
///
/// Used by one thread at a time.
package final class Keyspace {
    package enum Change {
        case none
        case deleted
        case stored
    }

    private struct Entry {
        let key: KeyName
        var record: KeyRecord?
        var change = Change.none
        /// Memory of a value that a command has stored.
        var memory: UnsafeMutableRawBufferPointer?
    }

    private var entries: [Entry] = []
    /// Where many keys are, so that finding one does not take time in proportion.
    private var places: [KeyName: Int] = [:]
    private static let searchedMax = 8

    package init() {}

    deinit {
        for entry in entries { entry.memory?.deallocate() }
    }

    package var count: Int { entries.count }

    /// Adds a key with what it holds. A key that is there already stays as it is.
    /// - Parameter record: its value must stay where it is as long as this object is used.
    package func add(_ key: KeyName, _ record: KeyRecord?) {
        guard place(of: key) == nil else { return }
        entries.append(Entry(key: key, record: record))
        if entries.count == Self.searchedMax + 1 {
            for (position, entry) in entries.enumerated() { places[entry.key] = position }
        } else if entries.count > Self.searchedMax {
            places[key] = entries.count - 1
        }
    }

    private func place(of key: KeyName) -> Int? {
        entries.count > Self.searchedMax ? places[key] : entries.firstIndex { $0.key == key }
    }

    // MARK: What commands do

    /// What the key holds; nil where nothing, or where its time is over.
    package func record(of key: KeyName, at nowMilliseconds: UInt64) -> KeyRecord? {
        guard let place = place(of: key), let record = entries[place].record else { return nil }
        let isExpired = record.expiryMilliseconds != 0 && record.expiryMilliseconds <= nowMilliseconds
        return isExpired ? nil : record
    }

    /// Gives the key a value. The bytes are copied.
    package func store(
        _ value: UnsafeRawBufferPointer, expiryMilliseconds: UInt64, valueType: UInt8 = 0, of key: KeyName
    ) {
        store(byteCount: value.count, expiryMilliseconds: expiryMilliseconds, valueType: valueType, of: key) {
            $0.copyMemory(from: value)
            return true
        }
    }

    /// Gives the key a value that is written where it stays, so that it is copied no second time.
    /// - Parameter fill: initializes all bytes; the old value is still there to be read. Where it
    ///   returns false, the key stays as it was.
    package func store(
        byteCount: Int, expiryMilliseconds: UInt64, valueType: UInt8 = 0, of key: KeyName,
        _ fill: (UnsafeMutableRawBufferPointer) -> Bool
    ) {
        guard let place = place(of: key) else { return }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 1)
        guard fill(memory) else { return memory.deallocate() }
        entries[place].memory?.deallocate()
        entries[place].memory = memory
        entries[place].change = .stored
        entries[place].record = KeyRecord(
            value: UnsafeRawBufferPointer(memory), expiryMilliseconds: expiryMilliseconds, valueType: valueType)
    }

    package func store(_ value: [UInt8], expiryMilliseconds: UInt64, valueType: UInt8 = 0, of key: KeyName) {
        value.withUnsafeBytes {
            store($0, expiryMilliseconds: expiryMilliseconds, valueType: valueType, of: key)
        }
    }

    package func delete(_ key: KeyName) {
        guard let place = place(of: key) else { return }
        entries[place].memory?.deallocate()
        entries[place].memory = nil
        entries[place].change = .deleted
        entries[place].record = nil
    }

    // MARK: What became of them

    /// The keys in the order in which they were added.
    package func key(at position: Int) -> KeyName { entries[position].key }

    /// What became of a key: with the record that it has now where it was stored.
    package func change(at position: Int) -> (Change, KeyRecord?) {
        (entries[position].change, entries[position].record)
    }

    /// Whether anything was changed.
    package var hasChanges: Bool { entries.contains { $0.change != .none } }
}
