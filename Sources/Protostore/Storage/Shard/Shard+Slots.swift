/// Changes of the index, each of which moves live bytes between segments.
extension Shard where Memory: ~Copyable {
    @inline(__always)
    mutating func insertReservedSlot(_ hash: UInt64, _ slot: IndexSlot) {
        index.insertReserved(hash, slot)
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
    mutating func removeSlot(_ hash: UInt64, _ old: IndexSlot) -> Bool {
        guard index.remove(hash, location: old.location) else { return false }
        store.segments.count(old, isLive: false)
        return true
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
