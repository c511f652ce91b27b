/// Changes of the index, each of which moves live bytes between segments.
extension Shard where Memory: ~Copyable {
    @inline(__always)
    mutating func insertReservedSlot(_ hash: UInt64, _ slot: IndexSlot, of namespace: UInt32) {
        index.insertReserved(hash, slot, of: namespace, namespaces.namespaces)
        store.segments.count(slot, isLive: true)
    }

    /// - Returns: false if there is no such slot; then nothing has changed.
    @inline(__always)
    @discardableResult
    mutating func replaceSlot(_ hash: UInt64, _ old: IndexSlot, with slot: IndexSlot) -> Bool {
        guard index.replace(hash, oldLocation: old.location, with: slot) else { return false }
        store.segments.count(old, isLive: false)
        store.segments.count(slot, isLive: true)
        return true
    }

    /// - Returns: false if there is no such slot.
    @inline(__always)
    @discardableResult
    mutating func removeSlot(_ hash: UInt64, _ old: IndexSlot, of namespace: UInt32) -> Bool {
        guard index.remove(hash, location: old.location, of: namespace, namespaces.namespaces) else { return false }
        store.segments.count(old, isLive: false)
        return true
    }

    // MARK: Namespaces

    /// Takes over what has changed of the databases' namespaces.
    @inline(__always)
    mutating func noteNamespaces() {
        if store.namespaces.generation != namespaces.generation { namespaces = store.namespaces.current }
    }

    /// Whether no database has the namespace any more. Never so of one of which a request came that
    /// was taken since the last ``noteNamespaces()``, unless it has died since then.
    @inline(__always)
    func isDead(_ namespace: UInt32) -> Bool { !namespaces.namespaces.isLive(namespace) }

    /// Frees the slot of a record of a dead namespace, if there is one.
    mutating func dropDead(_ entry: SummaryEntry, in segment: Int) {
        let hash = entry.hash.index
        guard let slot = slot(of: hash, at: location(of: entry, in: segment)) else { return }
        removeSlot(hash, slot, of: entry.namespace)
    }

    /// The slot of a hash that points to this place, if there is one.
    @inline(__always)
    func slot(of hash: UInt64, at location: UInt64) -> IndexSlot? {
        index.firstSlot(matching: hash) { $0.location == location }
    }

    /// Whether a hash has one slot. A put whose older record could not be read leaves that one's
    /// slot beside its own: freed alone, an expired record's slot would show the older value again.
    func isAlone(_ hash: UInt64) -> Bool {
        var count = 0
        _ = index.firstSlot(matching: hash) { _ in
            count += 1
            return false
        }
        return count == 1
    }

    /// Counts the slots that a shard starts with.
    func countLiveSlots() {
        let segments = store.segments
        index.forEachSlot { _, slot in segments.count(slot, isLive: true) }
        compactor.desk.hasCounted = true
    }
}
