/// A stripe's records: appended to its open window, counted dead when their cell goes, and collected
/// window by window.
extension TableStripe {
    private typealias State = SharedTableFile.WindowState

    private func usage(_ window: Int) -> Int {
        memory.windowStatesOffset + window * SharedTableLayout.windowStateBytes + State.usage
    }

    private func links(_ window: Int) -> Int {
        memory.windowStatesOffset + window * SharedTableLayout.windowStateBytes + State.links
    }

    /// Bytes of a window's records: alive, and up to where they reach.
    private func bytes(_ window: Int) -> (live: Int, used: Int) {
        let word = memory.load(usage(window))
        return (Int(word & 0xFFFF_FFFF), Int(word >> 32))
    }

    private func setBytes(_ window: Int, live: Int, used: Int) {
        set(UInt64(max(0, live)) | UInt64(used) << 32, at: usage(window))
    }

    private func window(_ field: Int) -> Int? {
        let window = Int(truncatingIfNeeded: load(field)) &- 1
        return window >= 0 && window < memory.windowCount ? window : nil
    }

    // MARK: Before a change

    /// Finds room for a record and writes it there; nothing points to it yet.
    /// - Throws: `.full`.
    func write(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, _ file: SharedTableFile
    ) throws(SharedTableError) -> TableRecord {
        let byteCount = TableRecord.byteCount(payload: key.count + value.count)
        var offset: Int
        if byteCount > TableRecord.sharedBytesMax {
            offset = memory.windowOffset(try file.claimWindows(byteCount: byteCount, for: self).lowerBound)
        } else {
            offset = try room(byteCount, file)
        }
        TableRecord.write(key: key, value: value, at: offset, in: memory)
        guard let record = TableRecord(at: offset, in: memory) else { throw .damaged("a window beyond the file") }
        return record
    }

    /// Room at the end of the open window, or of a new one.
    private func room(_ byteCount: Int, _ file: SharedTableFile) throws(SharedTableError) -> Int {
        var open = window(Field.openWindow)
        if let window = open, bytes(window).used + byteCount > SharedTableLayout.windowBytes { open = nil }
        let window = if let open { open } else { try openWindow(file) }
        let end = bytes(window).used + byteCount
        // Stripes with many records take several pages at a time.
        let ahead = Int(min(7, load(Field.usedBytes) >> 17))
        let pages = (end + SharedTableLayout.pageBytes - 1) / SharedTableLayout.pageBytes + ahead
        try file.allocate(window, pages: min(SharedTableLayout.windowPages, pages))
        return memory.windowOffset(window) + bytes(window).used
    }

    private func openWindow(_ file: SharedTableFile) throws(SharedTableError) -> Int {
        let fresh = try file.claimWindows(byteCount: SharedTableLayout.pageBytes, for: self).lowerBound
        let head = window(Field.recordWindows)
        let full = window(Field.openWindow)
        begin()
        setBytes(fresh, live: 0, used: 0)
        set(UInt64(head.map { $0 + 1 } ?? 0), at: links(fresh))
        if let head {
            set(memory.load(links(head)) & 0xFFFF_FFFF | UInt64(fresh + 1) << 32, at: links(head))
        }
        set(UInt64(fresh + 1), at: place(Field.recordWindows))
        set(UInt64(fresh + 1), at: place(Field.openWindow))
        // The last one may have died while it was open.
        if let full, bytes(full).live == 0 { freeWindow(full) }
        commit(file)
        return fresh
    }

    // MARK: In a change

    /// Counts a record that the change links.
    func countRecord(_ record: TableRecord) {
        guard !record.isLarge else { return add(1, to: Field.largeRecords) }
        let window = memory.window(at: record.offset)
        let bytes = bytes(window)
        setBytes(window, live: bytes.live + record.byteCount, used: bytes.used + record.byteCount)
        add(record.byteCount, to: Field.liveBytes)
        add(record.byteCount, to: Field.usedBytes)
    }

    /// Counts a record that the change unlinks; frees what it was the last one in.
    func forgetRecord(_ record: TableRecord) {
        guard !record.isLarge else {
            noteRelease(record.windows(memory))
            return add(-1, to: Field.largeRecords)
        }
        let window = memory.window(at: record.offset)
        let bytes = bytes(window)
        setBytes(window, live: bytes.live - record.byteCount, used: bytes.used)
        add(-record.byteCount, to: Field.liveBytes)
        guard bytes.live <= record.byteCount else { return }
        guard window == self.window(Field.openWindow) else { return freeWindow(window) }
        // An open window starts anew, unless it has much memory.
        let pages = State.pages(memory.load(memory.windowStatesOffset + window * SharedTableLayout.windowStateBytes))
        if pages > Self.emptyPagesMax {
            set(0, at: place(Field.openWindow))
            freeWindow(window)
        } else {
            setBytes(window, live: 0, used: 0)
            add(-bytes.used, to: Field.usedBytes)
        }
    }

    /// Pages that a stripe without records may keep for the next ones.
    private static var emptyPagesMax: Int { 1 }

    /// Takes a window without live records out of the list.
    private func freeWindow(_ window: Int) {
        let word = memory.load(links(window))
        let next = Int(word & 0xFFFF_FFFF) - 1
        let previous = Int(word >> 32) - 1
        if previous >= 0 {
            set(memory.load(links(previous)) & ~0xFFFF_FFFF | UInt64(next + 1), at: links(previous))
        } else {
            set(UInt64(next + 1), at: place(Field.recordWindows))
        }
        if next >= 0 {
            set(memory.load(links(next)) & 0xFFFF_FFFF | UInt64(previous + 1) << 32, at: links(next))
        }
        if self.window(Field.collectNext) == window { memory.store(UInt64(next + 1), place(Field.collectNext)) }
        add(-bytes(window).used, to: Field.usedBytes)
        noteRelease(window..<window + 1)
    }

    // MARK: Collection

    /// Dead bytes that a stripe may keep, whatever it holds.
    private static var deadBytesMin: Int { 64 << 10 }
    /// Windows that one step looks at to find the one with most dead bytes.
    private static var candidatesMax: Int { 64 }

    /// If more than a quarter of the record bytes is dead, frees a window by moving its live
    /// records, at most 5,461. The lock is held; no change is under way.
    @inline(__always)
    func collectIfNeeded(_ file: SharedTableFile) {
        let used = load(Field.usedBytes)
        guard used &- load(Field.liveBytes) > max(UInt64(Self.deadBytesMin), used / 4), used < 1 << 62 else { return }
        collect(file)
    }

    @inline(never)
    private func collect(_ file: SharedTableFile) {
        guard let window = windowToCollect() else { return }
        memory.increment(place(Field.collections))
        let start = memory.windowOffset(window)
        let end = start + min(bytes(window).used, SharedTableLayout.windowBytes)
        var place = start
        // Counted here: with the last live record the window may be somebody else's.
        var live = bytes(window).live
        while place < end, live > 0 {
            guard let record = TableRecord(at: place, in: memory), place + record.byteCount <= end else { return }
            do throws(SharedTableError) {
                if try move(record, file) { live -= record.byteCount }
            } catch {
                return abandonClaims(file)
            }
            place += record.byteCount
        }
    }

    private func windowToCollect() -> Int? {
        var next = window(Field.collectNext) ?? window(Field.recordWindows)
        let open = window(Field.openWindow)
        var best: (window: Int, dead: Int)?
        for _ in 0..<Self.candidatesMax {
            guard let candidate = next else { break }
            let bytes = bytes(candidate)
            if candidate != open, bytes.used - bytes.live > best?.dead ?? bytes.used / 8 {
                best = (candidate, bytes.used - bytes.live)
            }
            let link = Int(memory.load(links(candidate)) & 0xFFFF_FFFF) - 1
            next = link >= 0 && link < memory.windowCount ? link : nil
        }
        memory.store(UInt64((next ?? -1) + 1), place(Field.collectNext))
        return best?.window
    }

    /// Moves a record to the open window if it is alive: one change.
    /// - Returns: whether it was.
    private func move(_ record: TableRecord, _ file: SharedTableFile) throws(SharedTableError) -> Bool {
        let key = record.key(memory)
        let hash = TableHash.of(key, seed: memory.hashSeed)
        guard TableHash.stripe(hash) == index, let place = place(of: record, hash) else { return false }
        let copy = try write(key: key, value: record.value(memory), file)
        TableMoment.reached(.recordCopied)
        begin()
        set(TableCell(record: copy.offset, hash: hash).high, at: place + 8)
        countRecord(copy)
        forgetRecord(record)
        commit(file)
        memory.increment(self.place(Field.collectedPairs))
        return true
    }

    /// The cell that points to a record.
    private func place(of record: TableRecord, _ hash: UInt64) -> Int? {
        guard let page = lockedRegion(of: hash).page(of: hash, in: memory) else { return nil }
        let tablePage = TablePage(memory, at: page)
        let needle = TableNeedle(key: UnsafeRawBufferPointer(start: nil, count: 0), hash: hash)
        return tablePage.recordPlaces(needle, hash).first { tablePage.cell(at: $0).recordOffset == record.offset }
    }
}
