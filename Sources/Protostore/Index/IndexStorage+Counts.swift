import Synchronization

/// How many slots each namespace has: what a database's size is read from.
///
/// A slot does not say of which namespace it is, so that this cannot be counted
/// afterwards. It is kept beside the slots, in the same memory, and saved with them:
///
/// ```
/// at IndexLayout.countsOffset, 128 lines of 512 bytes. A partition changes the line of its number
/// alone, and a namespace has the sum of all lines.
///
///      0  u64  0, or 1 + the position of the count that is being changed; bit 8: a slot is added, not removed
///      8  u64  that slot's hash        16  u64  its location        24  u64  the count before
///     32  zeros
///     64  28 counts:  u64 1 + namespace, 0 = free   u64 its slots, two's complement
/// ```
///
/// **One change.** The first four words are a redo record: written before the slot, and
/// cleared after the count. Whoever finds one after a kill looks whether the slot is
/// there, and makes the count what it then has to be (`redoCounts`): a slot and its count
/// change together.
///
/// **Partitions** need not be those of the process before: counts stay in the lines where
/// they were made. So the count of a line alone may be negative.
///
/// **Dead namespaces** are not counted any more. A namespace that has no count in a line
/// takes a free one, or that of a dead one: 16 are live at most.
///
/// Other threads read while a partition's thread writes: words are atomic. The count of
/// a namespace that dies meanwhile may be read as another one's, of which nobody can tell.
enum CountsLayout {
    static let lineCount = 128
    static let lineBytes = 512
    static let byteCount = lineCount * lineBytes

    static let lineWords = lineBytes / 8
    static let countsWord = 8
    static let countCount = (lineWords - countsWord) / 2

    static let change = 0
    static let hash = 1
    static let location = 2
    static let before = 3
    static let additionBit: UInt64 = 1 << 8
}

extension IndexStorage where Memory: ~Copyable {
    /// The line that a partition changes. More partitions than lines are for tests on one thread.
    func countsLine(ofPartition partition: Int) -> UnsafeMutablePointer<UInt64> {
        line(partition % CountsLayout.lineCount)
    }

    private func line(_ number: Int) -> UnsafeMutablePointer<UInt64> {
        (memory.base + IndexLayout.countsOffset + number * CountsLayout.lineBytes).assumingMemoryBound(to: UInt64.self)
    }

    /// How many slots a namespace has. From any thread; one that is dead has any number.
    /// - Complexity: O(1): 128 lines.
    package func keyCount(ofNamespace namespace: UInt32) -> Int {
        var sum = 0
        for number in 0..<CountsLayout.lineCount {
            let line = line(number)
            guard let word = line.countWord(of: namespace) else { continue }
            sum &+= Int(bitPattern: UInt((line + word + 1).loadRelaxed()))
        }
        return sum
    }

    /// Counts slots that were inserted without being counted. No partition is in use by another thread.
    package func addKeys(_ count: Int, ofNamespace namespace: UInt32) {
        guard count != 0 else { return }
        let line = line(0)
        guard let word = line.countWord(of: namespace) ?? line.claimCount(for: namespace, { _ in false }) else { return }
        (line + word + 1).storeInOrder(UInt64(bitPattern: Int64((line + word + 1).count &+ count)))
    }

    /// Puts right the changes of counts that a kill has interrupted, of slots in this partition.
    /// - Throws: `.damaged` where a redo record is not one that a partition wrote.
    func redoCounts(_ index: borrowing HashIndex<Memory>) throws(IndexError) {
        for number in 0..<CountsLayout.lineCount {
            let line = line(number)
            let change = line[CountsLayout.change]
            guard change != 0, partition(of: line[CountsLayout.hash]) == index.partition else { continue }
            let isAddition = change & CountsLayout.additionBit != 0
            let position = change & ~CountsLayout.additionBit
            guard position >= 1, position <= UInt64(CountsLayout.countCount) else { throw .damaged("a redo record") }
            let location = line[CountsLayout.location]
            let isThere = index.firstSlot(matching: line[CountsLayout.hash]) { $0.location == location } != nil
            let before = Int(bitPattern: UInt(line[CountsLayout.before]))
            let after = isAddition ? before &+ (isThere ? 1 : 0) : before &- (isThere ? 0 : 1)
            let word = CountsLayout.countsWord + 2 * Int(position - 1) + 1
            store(UInt64(bitPattern: Int64(after)), at: line + word)
            store(0, at: line + CountsLayout.change)
        }
    }

    private func store(_ value: UInt64, at word: UnsafeMutablePointer<UInt64>) {
        word.storeInOrder(value)
        memory.didStore()
    }
}

// MARK: - Counted changes

extension HashIndex where Memory: ~Copyable {
    /// ``insertReserved(_:_:)`` of a slot that counts for a namespace.
    /// - Parameter live: at least as new as what the namespace was taken from.
    package mutating func insertReserved(
        _ hash: UInt64, _ slot: IndexSlot, of namespace: UInt32, _ live: DatabaseNamespaces
    ) {
        let word = beginChange(hash, slot.location, namespace, live, isAddition: true)
        insertReserved(hash, slot)
        endChange(word, by: 1)
    }

    /// ``insert(_:_:)`` of a slot that counts for a namespace.
    package mutating func insert(
        _ hash: UInt64, _ slot: IndexSlot, of namespace: UInt32, _ live: DatabaseNamespaces
    ) throws(IndexError) {
        let word = beginChange(hash, slot.location, namespace, live, isAddition: true)
        do throws(IndexError) {
            try insert(hash, slot)
        } catch {
            endChange(word, by: 0)
            throw error
        }
        endChange(word, by: 1)
    }

    /// ``remove(_:location:)`` of a slot that counts for a namespace.
    package mutating func remove(
        _ hash: UInt64, location: UInt64, of namespace: UInt32, _ live: DatabaseNamespaces
    ) -> Bool {
        let word = beginChange(hash, location, namespace, live, isAddition: false)
        let isRemoved = remove(hash, location: location)
        endChange(word, by: isRemoved ? -1 : 0)
        return isRemoved
    }

    private var countsLine: UnsafeMutablePointer<UInt64> { storage.countsLine(ofPartition: partition) }

    /// - Returns: the count's place in the line, or nil where the namespace is dead.
    private func beginChange(
        _ hash: UInt64, _ location: UInt64, _ namespace: UInt32, _ live: DatabaseNamespaces, isAddition: Bool
    ) -> Int? {
        let line = countsLine
        var found = line.countWord(of: namespace)
        if found == nil, live.isLive(namespace) { found = line.claimCount(for: namespace) { !live.isLive($0) } }
        guard let word = found else { return nil }
        let position = UInt64((word - CountsLayout.countsWord) / 2 + 1)
        store(hash, at: line + CountsLayout.hash)
        store(location, at: line + CountsLayout.location)
        store(line[word + 1], at: line + CountsLayout.before)
        store(position | (isAddition ? CountsLayout.additionBit : 0), at: line + CountsLayout.change)
        return word
    }

    private func endChange(_ word: Int?, by difference: Int) {
        guard let word else { return }
        let line = countsLine
        if difference != 0 {
            store(UInt64(bitPattern: Int64((line + word + 1).count &+ difference)), at: line + word + 1)
        }
        store(0, at: line + CountsLayout.change)
    }
}

/// A line of counts.
extension UnsafeMutablePointer<UInt64> {
    /// The word that a namespace's count begins with.
    @inline(__always)
    fileprivate func countWord(of namespace: UInt32) -> Int? {
        var word = CountsLayout.countsWord
        while word < CountsLayout.lineWords {
            if (self + word).loadRelaxed() == UInt64(namespace) + 1 { return word }
            word += 2
        }
        return nil
    }

    /// Gives a namespace a count of nothing in the place of a free or a dead one.
    /// - Returns: nil where all are taken, which the callers' namespaces cannot bring about.
    fileprivate func claimCount(for namespace: UInt32, _ isDead: (UInt32) -> Bool) -> Int? {
        for word in stride(from: CountsLayout.countsWord, to: CountsLayout.lineWords, by: 2) {
            let owner = self[word]
            guard owner == 0 || isDead(UInt32(truncatingIfNeeded: owner &- 1)) else { continue }
            (self + word).storeInOrder(0)
            (self + word + 1).storeInOrder(0)
            (self + word).storeInOrder(UInt64(namespace) + 1)
            return word
        }
        return nil
    }

    /// As a number that may be negative.
    fileprivate var count: Int { Int(bitPattern: UInt(pointee)) }

    /// Relaxed: a figure that nothing else depends on.
    @inline(__always)
    fileprivate func loadRelaxed() -> UInt64 {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
    }
}
