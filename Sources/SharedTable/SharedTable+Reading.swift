extension SharedTable {
    /// Copies a value.
    /// - Parameter target: gets the value's first bytes, as many as it holds. Where the value is
    ///   longer than that, or absent, its content is not defined.
    /// - Returns: how many bytes the value has, or nil if the key is not there.
    /// - Throws: `.damaged`.
    /// - Complexity: O(bytes); no allocation, no lock but under a storm of writes to the stripe.
    public func get(
        key: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int? {
        let count = try read(key: key, into: target)
        return count >= 0 ? count : nil
    }

    /// Calls `body` with each key, in order, while the memory that the next ones need is on its way.
    ///
    /// Worth it for who has many keys to look up, store or remove: most of the time of each is a wait for memory, and these
    /// waits overlap. Nothing else is done with the keys.
    ///
    /// ```swift
    /// try table.forEach(of: numbers) { number in total += try table.get(number, as: UInt64.self) ?? 0 }
    /// ```
    /// - Parameter ahead: how many keys ahead memory is asked for; 0 or less for none but the next one's own.
    @inlinable
    public func forEach<Keys: RandomAccessCollection>(
        of keys: Keys, ahead: Int = 8, _ body: (Keys.Element) throws -> Void
    ) rethrows where Keys.Element: SharedTableBytes {
        var next = keys.startIndex
        var asked = 0
        for key in keys {
            while asked <= max(0, ahead), next < keys.endIndex {
                _ = try? keys[next].withTableBytes { prefetch(key: $0) }
                keys.formIndex(after: &next)
                asked += 1
            }
            asked -= 1
            try body(key)
        }
    }

    /// Asks the processor to fetch the memory that a later call with this key will look at first.
    ///
    /// Worth it for who knows several keys ahead: the waits for memory overlap. Changes nothing.
    @inline(__always)
    public func prefetch(key: UnsafeRawBufferPointer) {
        let hash = hash(key)
        // After a fork the slot is the parent's.
        TableStripe(memory, index: TableHash.stripe(hash)).prefetchCells(of: hash, isAfterFork ? nil : readerSlot)
    }

    /// Whether a key is there.
    public func contains(key: UnsafeRawBufferPointer) throws(SharedTableError) -> Bool {
        try read(key: key, into: UnsafeMutableRawBufferPointer(start: nil, count: 0)) >= 0
    }

    /// Copies a value into a new array.
    public func get(key: UnsafeRawBufferPointer) throws(SharedTableError) -> [UInt8]? {
        try growing { (target) throws(SharedTableError) in try read(key: key, into: target) }
    }

    /// Calls `body` with larger and larger room until a value fits.
    func growing(
        _ body: (UnsafeMutableRawBufferPointer) throws(SharedTableError) -> Int
    ) throws(SharedTableError) -> [UInt8]? {
        var capacity = 64
        while true {
            var count = 0
            var failure: SharedTableError?
            let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, used in
                let target = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<capacity])
                do throws(SharedTableError) { count = try body(target) } catch { failure = error }
                used = failure == nil ? max(0, min(count, capacity)) : 0
            }
            if let failure { throw failure }
            if count < 0 { return nil }
            if count <= capacity { return bytes }
            capacity = count
        }
    }

    // MARK: Without a lock

    private static var attemptsMax: Int { 64 }
    /// Longer values are copied under the lock: their copy would hardly ever see no change.
    private static var unlockedBytesMax: Int { 64 << 10 }

    enum Attempt {
        /// Bytes of the value, or -1 where the key is not there.
        static let missing = -1
        /// The stripe changed meanwhile.
        static let changed = -2
        /// This is for the lock: damage, a large value, or a hash that two records share.
        static let undecided = -3
        /// No cell holds the pair, so a record may.
        static let noSmallPair = -4
    }

    /// Keys of four bytes go on here, all others elsewhere: the fewer words a function has to keep, the fewer
    /// instructions it has, and so the earlier the next read begins to wait (``TableShortKey``).
    /// - Returns: bytes of the value, or -1.
    @inline(__always)
    private func read(
        key: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int {
        guard key.count == 4, let base = key.baseAddress, let readerSlot, !isAfterFork else {
            return try readOtherKey(key, into: target)
        }
        let sequence = readerSlot.enter()
        let count = addresses.attempt(TableShortKey(base, 4), into: target)
        readerSlot.leave(sequence)
        return count >= 0 ? count : try readAgain(key, into: target, count)
    }

    /// Any key but those of four bytes.
    @inline(never)
    private func readOtherKey(
        _ key: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int {
        guard let base = key.baseAddress, let readerSlot, !isAfterFork, key.count <= TableShortKey.byteCountMax else {
            return try readAny(key: key, into: target)
        }
        let sequence = readerSlot.enter()
        let count =
            key.count == 8
            ? addresses.attempt(TableShortKey(base, 8), into: target)
            : addresses.attempt(TableShortKey(base, key.count), into: target)
        readerSlot.leave(sequence)
        return count >= 0 ? count : try readAgain(key, into: target, count)
    }

    /// After a first look at the cells of a short key.
    @inline(never)
    private func readAgain(
        _ key: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, _ first: Int
    ) throws(SharedTableError) -> Int {
        guard first == Attempt.noSmallPair, let base = key.baseAddress, let readerSlot else {
            return try readAny(key: key, into: target)
        }
        let sequence = readerSlot.enter()
        let count = attemptRecord(TableShortKey(base, key.count), key, into: target)
        readerSlot.leave(sequence)
        return count >= Attempt.missing ? count : try readAny(key: key, into: target)
    }

    /// Looks for the record of a key that no cell holds. A read is under way.
    @inline(never)
    private func attemptRecord(
        _ short: TableShortKey, _ key: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let hash = addresses.hash(short)
        let stripe = TableStripe(memory, index: TableHash.stripe(hash))
        let version = stripe.version
        guard version & 1 == 0, let region = stripe.region(of: hash, unchangedSince: version),
            let offset = region.page(of: hash, in: memory)
        else { return Attempt.undecided }
        let page = TablePage(memory, at: offset)
        let (first, second) = page.places(hash)
        let found = page.cells(first, second, TableCell.recordTag(hash), .max)
        // A cell may have got the pair since.
        let small = page.cells(first, second, short.needle, short.mask)
        guard found != 0, small == 0 else {
            return found | small == 0 && stripe.isUnchanged(since: version) ? Attempt.missing : Attempt.undecided
        }
        let record = page.cell(at: page.place(of: found, first, second)).recordOffset
        guard stripe.isUnchanged(since: version) else { return Attempt.undecided }
        return attempt(record: record, stripe, version, key, target)
    }

    @inline(never)
    private func readAny(
        key: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int {
        try noticeFork()
        let hash = hash(key)
        let needle = TableNeedle(key: key, hash: hash)
        let stripe = TableStripe(memory, index: TableHash.stripe(hash))
        let count = try reading { () throws(SharedTableError) in
            let count = attempt(stripe, key, needle, hash, target)
            return count >= Attempt.missing ? count : attemptAgain(stripe, key, needle, hash, target, count)
        }
        if let count { return count }
        return try readLocked(stripe, key, needle, hash, target)
    }

    @inline(never)
    private func attemptAgain(
        _ stripe: TableStripe, _ key: UnsafeRawBufferPointer, _ needle: TableNeedle, _ hash: UInt64,
        _ target: UnsafeMutableRawBufferPointer, _ first: Int
    ) -> Int? {
        var count = first
        for _ in 0..<Self.attemptsMax where count == Attempt.changed {
            MemoryOrder.pause()
            count = attempt(stripe, key, needle, hash, target)
        }
        return count >= Attempt.missing ? count : nil
    }

    /// One look at the stripe without its lock. No location is followed before the version says
    /// that it was there when it was read.
    @inline(__always)
    private func attempt(
        _ stripe: TableStripe, _ key: UnsafeRawBufferPointer, _ needle: TableNeedle, _ hash: UInt64,
        _ target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let version = stripe.version
        guard version & 1 == 0, let region = stripe.region(of: hash, unchangedSince: version) else {
            return Attempt.changed
        }
        guard let offset = region.page(of: hash, in: memory) else {
            guard stripe.isUnchanged(since: version) else { return Attempt.changed }
            return region.pages == 0 ? Attempt.missing : Attempt.undecided
        }
        let page = TablePage(memory, at: offset)
        let match = page.match(needle, hash)
        if match.small != 0 {
            let cell = page.cell(at: match.small)
            guard stripe.isUnchanged(since: version) else { return Attempt.changed }
            return cell.isPossible ? cell.copyValue(into: target) : Attempt.undecided
        }
        let record = match.record == 0 ? 0 : page.cell(at: match.record).recordOffset
        guard stripe.isUnchanged(since: version) else { return Attempt.changed }
        guard record != 0 else { return Attempt.missing }
        return attempt(record: record, stripe, version, key, target)
    }

    @inline(__always)
    private func attempt(
        record offset: Int, _ stripe: TableStripe, _ version: UInt64, _ key: UnsafeRawBufferPointer,
        _ target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let record = TableRecord(at: offset, in: memory)
        guard stripe.isUnchanged(since: version) else { return Attempt.changed }
        guard let record, record.byteCount <= Self.unlockedBytesMax, record.hasKey(key, memory) else {
            return Attempt.undecided
        }
        let copied = min(record.valueCount, target.count)
        if copied > 0 {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: record.value(memory)[..<copied]))
        }
        return stripe.isUnchanged(since: version) ? record.valueCount : Attempt.changed
    }

    // MARK: With the lock

    @inline(never)
    private func readLocked(
        _ stripe: TableStripe, _ key: UnsafeRawBufferPointer, _ needle: TableNeedle, _ hash: UInt64,
        _ target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int {
        try locked(stripe) { () throws(SharedTableError) in
            guard let offset = stripe.lockedRegion(of: hash).page(of: hash, in: memory),
                let place = stripe.find(key, needle, hash, TablePage(memory, at: offset))
            else { return Attempt.missing }
            return try stripe.copyValue(at: place, into: target)
        }
    }
}

extension TableStripe {
    /// Copies the value of a cell, as much as fits. The lock is held.
    /// - Returns: how many bytes it has.
    func copyValue(
        at place: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int {
        try withValue(at: place) { value in
            let copied = min(value.count, target.count)
            if copied > 0 { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: value[..<copied])) }
            return value.count
        }
    }
}
