/// Up to 15 bytes as two words, without touching memory beyond them.
enum TableBytes {
    /// The bytes, the first one lowest; beyond them zeros.
    /// - Parameter bytes: at most 15.
    @inline(__always)
    static func load15(_ bytes: UnsafeRawBufferPointer) -> (low: UInt64, high: UInt64) {
        let count = bytes.count
        guard count > 0, let base = bytes.baseAddress else { return (0, 0) }
        if count >= 8 {
            let low = base.loadUnaligned(as: UInt64.self)
            if count == 8 { return (low, 0) }
            // The last eight, less those that the first word has.
            return (low, (base + count - 8).loadUnaligned(as: UInt64.self) >> UInt64(8 * (16 - count)))
        }
        if count >= 4 {
            let low = UInt64(base.loadUnaligned(as: UInt32.self))
            let end = UInt64((base + count - 4).loadUnaligned(as: UInt32.self))
            return (low | end << UInt64(8 * (count - 4)), 0)
        }
        let first = UInt64(base.load(as: UInt8.self))
        let middle = UInt64((base + count / 2).load(as: UInt8.self)) << UInt64(8 * (count / 2))
        let last = UInt64((base + count - 1).load(as: UInt8.self)) << UInt64(8 * (count - 1))
        return (first | middle | last, 0)
    }

    /// Writes the first `count` bytes of the words.
    /// - Parameter count: at most 15 and at most what `target` holds.
    @inline(__always)
    static func store15(
        _ low: UInt64, _ high: UInt64, count: Int, into target: UnsafeMutableRawBufferPointer
    ) {
        guard count > 0, let base = target.baseAddress else { return }
        if count == 4 { return base.storeBytes(of: UInt32(truncatingIfNeeded: low), as: UInt32.self) }
        if count == 8 { return base.storeBytes(of: low, as: UInt64.self) }
        var words = (low, high)
        withUnsafeBytes(of: &words) { base.copyMemory(from: $0.baseAddress!, byteCount: count) }
    }

    /// Moves the bytes up by 0...16; what leaves the upper word is lost.
    @inline(__always)
    static func shiftedUp(_ low: UInt64, _ high: UInt64, bytes: Int) -> (low: UInt64, high: UInt64) {
        let bits = UInt64(8 * bytes)
        // Swift's shifts give 0 for 64 bits and more.
        if bytes >= 8 { return (0, low << (bits - 64)) }
        return (low << bits, high << bits | low >> (64 - bits))
    }

    /// Moves the bytes down by 0...16.
    @inline(__always)
    static func shiftedDown(_ low: UInt64, _ high: UInt64, bytes: Int) -> (low: UInt64, high: UInt64) {
        let bits = UInt64(8 * bytes)
        if bytes >= 8 { return (high >> (bits - 64), 0) }
        return (low >> bits | high << (64 - bits), high >> bits)
    }

    /// Ones in the first 0...15 bytes.
    @inline(__always)
    static func mask(bytes: Int) -> (low: UInt64, high: UInt64) {
        if bytes < 8 { return (~(.max &<< UInt64(8 &* bytes)), 0) }
        return (.max, ~(.max &<< UInt64(8 &* (bytes &- 8))))
    }

    /// Ones in the first 1...16 bytes.
    @inline(__always)
    static func lowMask(bytes: Int) -> (low: UInt64, high: UInt64) {
        if bytes >= 8 { return (.max, ~(.max << UInt64(8 * (bytes - 8)))) }
        return (~(.max << UInt64(8 * bytes)), 0)
    }
}

/// How a hash of 64 bits says where a key is.
///
/// It is XXH3, of longer keys' bytes, and of 16 bytes for keys of up to 15: the two words that their cell
/// holds, with their length as the last byte, under another seed. So a cell can be hashed where it is, and no length is branched on.
///
/// ```
/// 63..54  stripe
/// 53..40  region, by as many of the upper bits as the stripe's directory is deep
/// 39..18  page of the region, by proportion
/// 11..6   difference of the second line, an odd number
///  5..0   first line of the page
/// ```
enum TableHash {
    static let withinStripeBits = 64 - SharedTableLayout.stripeBits
    static let withinStripeMask: UInt64 = 1 << UInt64(withinStripeBits) - 1
    static let depthMax = 14
    static let pageFieldShift: UInt64 = 18
    static let pageFieldBits: UInt64 = 22
    static let pageFieldMask: UInt64 = 1 << pageFieldBits - 1

    @inline(__always)
    static func stripe(_ hash: UInt64) -> Int { Int(hash >> UInt64(withinStripeBits)) }

    @inline(__always)
    static func of(_ key: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        guard key.count <= TableCell.payloadMax else { return XXH3.hash64(key, seed: seed) }
        let (low, high) = TableBytes.load15(key)
        return of(low, high, byteCount: key.count, seed: seed)
    }

    /// The hash of a key of up to 15 bytes, as words with zeros behind it.
    @inline(__always)
    static func of(_ low: UInt64, _ high: UInt64, byteCount: Int, seed: UInt64) -> UInt64 {
        XXH3.hash64(low, high | UInt64(truncatingIfNeeded: byteCount) &<< 56, seed: ~seed)
    }

    /// The entry of a directory of 2^depth entries.
    @inline(__always)
    static func directoryIndex(_ hash: UInt64, depth: Int) -> Int {
        Int((hash & withinStripeMask) >> UInt64(withinStripeBits - depth))
    }

    /// Which of a region's pages; the order of pages is that of hashes.
    @inline(__always)
    static func page(_ hash: UInt64, of pages: Int) -> Int {
        Int(((hash >> pageFieldShift & pageFieldMask) &* UInt64(pages)) >> pageFieldBits)
    }

    /// The two lines of a page that a key may be in.
    @inline(__always)
    static func lines(_ hash: UInt64) -> (first: Int, second: Int) {
        let first = Int(truncatingIfNeeded: hash & 63)
        return (first, first ^ Int(truncatingIfNeeded: hash >> 6 & 63 | 1))
    }

    /// The same lines, as bytes from the start of the page.
    @inline(__always)
    static func lineOffsets(_ hash: UInt64) -> (first: Int, second: Int) {
        let first = Int(truncatingIfNeeded: hash &<< 6 & 0xFC0)
        return (first, first ^ Int(truncatingIfNeeded: hash & 0xFC0 | 0x40))
    }
}
