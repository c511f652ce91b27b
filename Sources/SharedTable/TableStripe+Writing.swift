/// What a write does, decided under the lock with the value that is there.
enum TableWrite {
    /// Stores the value, whatever was there.
    case put
    case putIfAbsent
    /// Stores the value if this one is there.
    case swap(expected: UnsafeRawBufferPointer)
    /// Adds to a number of 8 bytes, little-endian; nothing there counts as 0. Wraps around.
    case add(Int64)
    case remove
}

enum TableWriteOutcome: Equatable {
    case added
    case replaced
    case removed
    /// The condition did not hold.
    case unchanged
    /// The number that is there now.
    case number(Int64)
}

extension TableStripe {
    /// Carries out a write. The lock is held.
    /// - Throws: `.full`, `.notANumber`, `.damaged`; nothing has changed then.
    @inline(__always)
    func write(
        _ write: TableWrite, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, hash: UInt64,
        _ file: SharedTableFile
    ) throws(SharedTableError) -> TableWriteOutcome {
        let needle = TableNeedle(key: key, hash: hash)
        while true {
            if let offset = lockedRegion(of: hash).page(of: hash, in: memory) {
                let page = TablePage(memory, at: offset)
                if let place = find(key, needle, hash, page) {
                    return try change(write, at: place, key: key, value: value, hash: hash, file)
                }
                switch write {
                case .remove, .swap: return .unchanged
                case .put, .putIfAbsent, .add: break
                }
                if let room = page.room(for: hash) {
                    return try insert(write, room, page, key: key, value: value, hash: hash, file)
                }
            } else {
                switch write {
                case .remove, .swap: return .unchanged
                case .put, .putIfAbsent, .add: break
                }
            }
            try grow(hash, file)
        }
    }

    /// The cell of a key.
    @inline(__always)
    func find(_ key: UnsafeRawBufferPointer, _ needle: TableNeedle, _ hash: UInt64, _ page: TablePage) -> Int? {
        let match = page.match(needle, hash)
        if match.small != 0 { return match.small }
        guard match.record != 0 else { return nil }
        return findRecord(key, needle, hash, page)
    }

    @inline(never)
    private func findRecord(
        _ key: UnsafeRawBufferPointer, _ needle: TableNeedle, _ hash: UInt64, _ page: TablePage
    ) -> Int? {
        page.recordPlaces(needle, hash).first { place in
            TableRecord(at: page.cell(at: place).recordOffset, in: memory)?.hasKey(key, memory) == true
        }
    }

    // MARK: A new pair

    @inline(__always)
    private func insert(
        _ write: TableWrite, _ room: TablePage.Room, _ page: TablePage, key: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer, hash: UInt64, _ file: SharedTableFile
    ) throws(SharedTableError) -> TableWriteOutcome {
        if case .add(let amount) = write {
            return try withBytes(of: amount) { bytes throws(SharedTableError) in
                try insert(room, page, key: key, value: bytes, hash: hash, file)
                return .number(amount)
            }
        }
        try insert(room, page, key: key, value: value, hash: hash, file)
        return .added
    }

    @inline(__always)
    private func insert(
        _ room: TablePage.Room, _ page: TablePage, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
        hash: UInt64, _ file: SharedTableFile
    ) throws(SharedTableError) {
        if key.count + value.count <= TableCell.payloadMax, room.secondMove == nil {
            let old = page.cell(at: room.target)
            change(cellAt: room.target, from: old, to: TableCell(key: key, value: value), pairs: 1)
            return memory.increment(place(Field.puts))
        }
        let record = key.count + value.count > TableCell.payloadMax
            ? try self.write(key: key, value: value, file) : nil
        begin()
        if let move = room.firstMove { set(page.cell(at: move.from), at: move.to) }
        if let move = room.secondMove { set(page.cell(at: move.from), at: move.to) }
        if let record {
            set(TableCell(record: record.offset, hash: hash), at: room.target)
            countRecord(record)
        } else {
            set(TableCell(key: key, value: value), at: room.target)
        }
        add(1, to: Field.pairs)
        commit(file)
        memory.increment(place(Field.puts))
        if record != nil { collectIfNeeded(file) }
    }

    // MARK: A pair that is there

    @inline(__always)
    private func change(
        _ write: TableWrite, at place: Int, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, hash: UInt64,
        _ file: SharedTableFile
    ) throws(SharedTableError) -> TableWriteOutcome {
        switch write {
        case .put:
            try replace(at: place, key: key, by: value, hash: hash, file)
            return .replaced
        case .putIfAbsent:
            return .unchanged
        case .remove:
            try remove(at: place, hash: hash, file)
            return .removed
        case .swap(let expected):
            let isEqual = try withValue(at: place) { $0.count == expected.count && $0.elementsEqualBytes(expected) }
            guard isEqual else { return .unchanged }
            try replace(at: place, key: key, by: value, hash: hash, file)
            return .replaced
        case .add(let amount):
            let old = try withValue(at: place) { $0.count == 8 ? $0.loadUnaligned(as: Int64.self) : nil }
            guard let old else { throw .notANumber }
            let sum = Int64(littleEndian: old) &+ amount
            try withBytes(of: sum) { bytes throws(SharedTableError) in
                try replace(at: place, key: key, by: bytes, hash: hash, file)
            }
            return .number(sum)
        }
    }

    /// The cell's record.
    /// - Throws: `.damaged` where there is none.
    @inline(__always)
    func record(of cell: TableCell) throws(SharedTableError) -> TableRecord? {
        guard cell.isRecord else { return nil }
        guard let record = TableRecord(at: cell.recordOffset, in: memory) else {
            throw .damaged("stripe \(index): a cell points nowhere")
        }
        return record
    }

    /// Calls `body` with the value of a cell, which it must not keep.
    @inline(__always)
    func withValue<Result>(
        at place: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(SharedTableError) -> Result {
        let cell = TableCell(low: memory.load(place), high: memory.load(place + 8))
        if let record = try record(of: cell) { return body(record.value(memory)) }
        guard cell.isPossible else { throw .damaged("stripe \(index): a cell is impossible") }
        return cell.withPair { body($1) }
    }

    @inline(__always)
    private func withBytes<Result>(
        of number: Int64, _ body: (UnsafeRawBufferPointer) throws(SharedTableError) -> Result
    ) throws(SharedTableError) -> Result {
        // The cell of an empty key is the shortest way to eight bytes that have an address.
        let cell = Swift.withUnsafeBytes(of: number.littleEndian) {
            TableCell(key: UnsafeRawBufferPointer(start: nil, count: 0), value: $0)
        }
        return try cell.withPair { (_, value) throws(SharedTableError) in try body(value) }
    }

    @inline(__always)
    private func replace(
        at place: Int, key: UnsafeRawBufferPointer, by value: UnsafeRawBufferPointer, hash: UInt64,
        _ file: SharedTableFile
    ) throws(SharedTableError) {
        let oldCell = TableCell(low: memory.load(place), high: memory.load(place + 8))
        let old = try record(of: oldCell)
        if old == nil, key.count + value.count <= TableCell.payloadMax {
            change(cellAt: place, from: oldCell, to: TableCell(key: key, value: value), pairs: 0)
        } else if let old, old.valueCount == value.count, value.count <= Self.overwriteBytesMax {
            begin()
            overwrite(old, value)
            commit(file)
        } else {
            try replace(old, at: place, key: key, by: value, hash: hash, file)
        }
        memory.increment(self.place(Field.puts))
    }

    @inline(never)
    private func replace(
        _ old: TableRecord?, at place: Int, key: UnsafeRawBufferPointer, by value: UnsafeRawBufferPointer,
        hash: UInt64, _ file: SharedTableFile
    ) throws(SharedTableError) {
        let fitsCell = key.count + value.count <= TableCell.payloadMax
        let record = fitsCell ? nil : try self.write(key: key, value: value, file)
        begin()
        if let record {
            set(TableCell(record: record.offset, hash: hash), at: place)
            countRecord(record)
        } else {
            set(TableCell(key: key, value: value), at: place)
        }
        if let old { forgetRecord(old) }
        commit(file)
        collectIfNeeded(file)
    }

    /// A value of so many bytes is replaced in its record, as 8 words of the change at most.
    private static var overwriteBytesMax: Int { 56 }

    private func overwrite(_ record: TableRecord, _ value: UnsafeRawBufferPointer) {
        let start = record.offset + TableRecord.headerBytes + record.keyCount
        let end = start + value.count
        var place = start & ~7
        while place < end {
            var word = memory.load(place)
            withUnsafeMutableBytes(of: &word) { bytes in
                for byte in max(start, place)..<min(end, place + 8) { bytes[byte - place] = value[byte - start] }
            }
            set(word, at: place)
            place += 8
        }
    }

    // MARK: Removing

    @inline(__always)
    private func remove(at place: Int, hash: UInt64, _ file: SharedTableFile) throws(SharedTableError) {
        let oldCell = TableCell(low: memory.load(place), high: memory.load(place + 8))
        if let old = try record(of: oldCell) {
            begin()
            set(0, at: place)
            forgetRecord(old)
            add(-1, to: Field.pairs)
            commit(file)
            collectIfNeeded(file)
        } else {
            change(cellAt: place, from: oldCell, to: TableCell(low: 0, high: oldCell.high), pairs: .max)
        }
        memory.increment(self.place(Field.removals))
        shrinkIfSparse(hash, file)
    }

    /// Below a third of the cells in use every 32nd removal looks whether its region can be smaller,
    /// below a tenth every one: there regions are small.
    @inline(__always)
    private func shrinkIfSparse(_ hash: UInt64, _ file: SharedTableFile) {
        let pairs = load(Field.pairs)
        let cells = load(Field.pages) &* UInt64(TablePage.cellCount)
        guard pairs &* 3 < cells else { return }
        if pairs &* 10 < cells || load(Field.removals) & 31 == 0 { shrink(hash, file) }
    }
}
