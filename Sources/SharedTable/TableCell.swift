/// A cell: 16 bytes, one pair.
///
/// ```
/// empty       byte 0 = 0x00
/// small pair  byte 0 = (15 - key bytes) | (15 - value bytes) << 4; together at most 15 bytes
///             bytes 1...    key, then value; the rest is zero
/// record      byte 0 = 0x10; bits 8..<62 of word 0 = the hash without its stripe
///             word 1 = place of the record in the file / 8; the upper 16 bits are zero
/// ```
///
/// Fresh memory is zero, so it is empty. 0x00 and 0x10 stand for pairs of 15 + 15 and
/// 15 + 14 bytes, which no small pair has.
struct TableCell: Equatable {
    var low: UInt64
    var high: UInt64

    static let byteCount = 16
    static let payloadMax = 15
    static let recordMark: UInt64 = 0x10

    @inline(__always)
    init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    @inline(__always)
    var isEmpty: Bool { low & 0xFF == 0 }

    @inline(__always)
    var isRecord: Bool { low & 0xFF == Self.recordMark }

    // MARK: Records

    /// Word 0 of the cell of a record whose key has this hash.
    @inline(__always)
    static func recordTag(_ hash: UInt64) -> UInt64 {
        recordMark | (hash & TableHash.withinStripeMask) << 8
    }

    @inline(__always)
    init(record offset: Int, hash: UInt64) {
        self.init(low: Self.recordTag(hash), high: UInt64(offset) >> 3)
    }

    /// Where the record is; below 2^51.
    @inline(__always)
    var recordOffset: Int { Int((high & 0xFFFF_FFFF_FFFF) << 3) }

    /// The hash without its stripe, of a record's cell.
    @inline(__always)
    var recordHash: UInt64 { low >> 8 & TableHash.withinStripeMask }

    // MARK: Small pairs

    @inline(__always)
    var keyCount: Int { 15 - Int(low & 0xF) }

    @inline(__always)
    var valueCount: Int { 15 - Int(low >> 4 & 0xF) }

    /// - Parameter key, value: together at most 15 bytes.
    @inline(__always)
    init(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let (keyLow, keyHigh) = TableBytes.load15(key)
        let (valueLow, valueHigh) = TableBytes.load15(value)
        let (shiftedLow, shiftedHigh) = TableBytes.shiftedUp(valueLow, valueHigh, bytes: 1 + key.count)
        let mark = UInt64(15 - key.count) | UInt64(15 - value.count) << 4
        low = keyLow << 8 | shiftedLow | mark
        high = keyHigh << 8 | keyLow >> 56 | shiftedHigh
    }

    /// Whether the lengths of a cell that is neither empty nor a record are possible.
    @inline(__always)
    var isPossible: Bool { keyCount + valueCount <= Self.payloadMax }

    /// Gives the value's first bytes.
    /// - Returns: how many bytes the value has, which may be more than `target` holds.
    @inline(__always)
    func copyValue(into target: UnsafeMutableRawBufferPointer) -> Int {
        let count = valueCount
        let (valueLow, valueHigh) = TableBytes.shiftedDown(low, high, bytes: 1 + keyCount)
        TableBytes.store15(valueLow, valueHigh, count: min(count, target.count), into: target)
        return count
    }

    /// Calls `body` with key and value of a small pair.
    @inline(__always)
    func withPair<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let keyCount = keyCount
        let valueCount = valueCount
        var words = (low, high)
        // Typed throws do not pass through the rethrowing function, so the result does.
        let result = withUnsafeBytes(of: &words) { bytes -> Swift.Result<Result, Failure> in
            let key = UnsafeRawBufferPointer(rebasing: bytes[1..<1 + keyCount])
            let value = UnsafeRawBufferPointer(rebasing: bytes[(1 + keyCount)..<(1 + keyCount + valueCount)])
            do throws(Failure) { return .success(try body(key, value)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// The hash of the cell's key without its stripe.
    @inline(__always)
    func hash(seed: UInt64) -> UInt64 {
        if isRecord { return recordHash }
        let count = keyCount
        let (maskLow, maskHigh) = TableBytes.mask(bytes: count)
        let hash = TableHash.of(
            (low &>> 8 | high &<< 56) & maskLow, high &>> 8 & maskHigh, byteCount: count, seed: seed)
        return hash & TableHash.withinStripeMask
    }
}

/// What a cell must look like to hold a key: both words are compared under a mask.
struct TableNeedle {
    let low: UInt64, high: UInt64
    let lowMask: UInt64, highMask: UInt64
    let recordTag: UInt64

    @inline(__always)
    init(key: UnsafeRawBufferPointer, hash: UInt64) {
        recordTag = TableCell.recordTag(hash)
        guard key.count <= TableCell.payloadMax else {
            // No small pair has such a key: 14 + 14 bytes, which no cell holds.
            (low, high, lowMask, highMask) = (0x11, 0, 0xFF, 0)
            return
        }
        let (keyLow, keyHigh) = TableBytes.load15(key)
        low = keyLow << 8 | UInt64(15 - key.count) | (key.count == 15 ? 0xF0 : 0)
        high = keyHigh << 8 | keyLow >> 56
        let (maskLow, maskHigh) = TableBytes.lowMask(bytes: 1 + key.count)
        lowMask = maskLow & ~0xFF | (key.count == 15 ? 0xFF : 0x0F)
        highMask = maskHigh
    }

    @inline(__always)
    func matchesSmall(_ cell: TableCell) -> Bool {
        (cell.low ^ low) & lowMask | (cell.high ^ high) & highMask == 0
    }

    @inline(__always)
    func matchesRecord(_ cell: TableCell) -> Bool { cell.low == recordTag }
}
