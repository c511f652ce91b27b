/// A key of 1 to 7 bytes, which fits a cell's first word: what its cell looks like, and its hash, in a few
/// instructions. Most of the time that a get or a put takes is a wait for memory; the shorter the rest, the more
/// of the next operations the processor starts meanwhile.
struct TableShortKey {
    static let byteCountMax = 7

    /// The key, zeros behind it.
    let word: UInt64
    let byteCount: Int

    /// - Parameter byteCount: 1...7.
    @inline(__always)
    init(_ bytes: UnsafeRawPointer, _ byteCount: Int) {
        word = Self.load(bytes, byteCount)
        self.byteCount = byteCount
    }

    /// Up to eight bytes, the first one lowest.
    @inline(__always)
    static func load(_ bytes: UnsafeRawPointer, _ byteCount: Int) -> UInt64 {
        if byteCount >= 4 {
            let low = UInt64(bytes.loadUnaligned(as: UInt32.self))
            let end = UInt64((bytes + (byteCount &- 4)).loadUnaligned(as: UInt32.self))
            return low | end &<< UInt64(truncatingIfNeeded: 8 &* (byteCount &- 4))
        }
        guard byteCount > 0 else { return 0 }
        let first = UInt64(bytes.load(as: UInt8.self))
        let middle = UInt64((bytes + byteCount / 2).load(as: UInt8.self))
        let last = UInt64((bytes + (byteCount &- 1)).load(as: UInt8.self))
        return first | middle &<< UInt64(truncatingIfNeeded: 8 &* (byteCount / 2))
            | last &<< UInt64(truncatingIfNeeded: 8 &* (byteCount &- 1))
    }

    @inline(__always)
    func hash(seed: UInt64) -> UInt64 { TableHash.of(word, 0, byteCount: byteCount, seed: seed) }

    // MARK: Its cell

    /// The bits before the value: length and key.
    @inline(__always)
    private var keyBits: UInt64 { UInt64(truncatingIfNeeded: 8 &* byteCount) }

    /// A cell's first word under ``mask``, if and only if it holds a small pair of this key.
    @inline(__always)
    var needle: UInt64 { word &<< 8 | UInt64(truncatingIfNeeded: 15 &- byteCount) }

    @inline(__always)
    var mask: UInt64 { .max &>> (56 &- keyBits) & ~0xF0 }

    /// The cell of the key with a value of at most 8 bytes.
    @inline(__always)
    func cell(_ value: UInt64, _ valueCount: Int) -> TableCell {
        let mark = needle | UInt64(truncatingIfNeeded: 15 &- valueCount) &<< 4
        // In two steps, as key and length may fill the word.
        return TableCell(low: mark | (value &<< keyBits) &<< 8, high: value &>> (56 &- keyBits))
    }

    /// Gives the value's first bytes.
    /// - Returns: how many bytes the value has, which may be more than `target` holds; nil where no table
    ///   writes such a cell.
    @inline(__always)
    func copyValue(of cell: TableCell, into target: UnsafeMutableRawBufferPointer) -> Int? {
        let count = cell.valueCount
        guard count == 4 || count == 8, target.count >= count, let base = target.baseAddress else {
            return cell.isPossible ? cell.copyValue(into: target) : nil
        }
        guard byteCount &+ count <= TableCell.payloadMax else { return nil }
        let value = (cell.low &>> keyBits) &>> 8 | cell.high &<< (56 &- keyBits)
        if count == 4 {
            base.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
        } else {
            base.storeBytes(of: value, as: UInt64.self)
        }
        return count
    }
}

extension SharedTable {
    /// Whether a key is a short one.
    @inline(__always)
    static func isShort(_ key: UnsafeRawBufferPointer) -> Bool {
        UInt(bitPattern: key.count &- 1) < UInt(TableShortKey.byteCountMax)
    }
}

extension TableStripe {
    /// Looks a short key up without the lock.
    /// - Returns: bytes of the value, or one of ``SharedTable/Attempt``.
    @inline(__always)
    func attempt(
        _ key: TableShortKey, _ hash: UInt64, into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let version = version
        guard version & 1 == 0, let region = region(of: hash, unchangedSince: version),
            let offset = region.page(of: hash, in: memory)
        else { return SharedTable.Attempt.undecided }
        let page = TablePage(memory, at: offset)
        let (first, second) = page.places(hash)
        let found = page.cells(first, second, key.needle, key.mask)
        guard found != 0 else {
            let records = page.cells(first, second, TableCell.recordTag(hash), .max)
            return records == 0 && isUnchanged(since: version)
                ? SharedTable.Attempt.missing : SharedTable.Attempt.undecided
        }
        let cell = page.cell(at: page.place(of: found, first, second))
        guard isUnchanged(since: version) else { return SharedTable.Attempt.undecided }
        return key.copyValue(of: cell, into: target) ?? SharedTable.Attempt.undecided
    }

    /// Stores a pair of a short key if that takes one cell. The lock is held.
    /// - Returns: whether the key is new; nil where more has to be done, with nothing changed.
    @inline(__always)
    func put(_ key: TableShortKey, _ value: UnsafeRawBufferPointer, _ hash: UInt64) -> Bool? {
        guard let offset = lockedRegion(of: hash).page(of: hash, in: memory) else { return nil }
        let page = TablePage(memory, at: offset)
        let (first, second) = page.places(hash)
        let found = page.cells(first, second, key.needle, key.mask)
        let records = page.cells(first, second, TableCell.recordTag(hash), .max)
        let free = found != 0 ? found : page.cells(first, second, 0, 0xFF)
        guard records == 0, free != 0 else { return nil }
        let target = page.place(of: free, first, second)
        let bytes = value.baseAddress.map { TableShortKey.load($0, value.count) } ?? 0
        change(
            cellAt: target, from: page.cell(at: target), to: key.cell(bytes, value.count), pairs: found == 0 ? 1 : 0)
        memory.increment(place(Field.puts))
        return found == 0
    }
}
