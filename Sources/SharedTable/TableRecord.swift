/// A record: a pair that is too large for a cell.
///
/// ```
///  0  u32  bytes of the key       4  u32  bytes of the value
///  8  key, value; zeros up to a multiple of 8
/// ```
///
/// Records up to 32 KiB follow each other in windows of their stripe, which are in a list; the
/// first one of the list that is open takes new ones. A larger record has windows of its own.
/// A record in a window is alive if and only if a cell of its key's hash points to it.
struct TableRecord {
    static let headerBytes = 8
    /// Of a record that shares its window with others.
    static let sharedBytesMax = SharedTableLayout.windowBytes / 4
    /// The most that a key and its value take together.
    static let payloadBytesMax = Int(UInt32.max)

    let offset: Int
    let keyCount: Int
    let valueCount: Int

    @inline(__always)
    static func byteCount(payload: Int) -> Int { headerBytes + (payload + 7) & ~7 }

    @inline(__always)
    var byteCount: Int { Self.byteCount(payload: keyCount + valueCount) }

    @inline(__always)
    var isLarge: Bool { byteCount > Self.sharedBytesMax }

    /// The windows of a large record.
    func windows(_ memory: TableMemory) -> Range<Int> {
        let first = memory.window(at: offset)
        return first..<first + (byteCount + SharedTableLayout.windowBytes - 1) >> SharedTableLayout.windowShift
    }

    /// The record at an offset.
    /// - Returns: nil where none can be there.
    @inline(__always)
    init?(at offset: Int, in memory: TableMemory) {
        guard memory.isInWindows(offset, Self.headerBytes) else { return nil }
        let header = memory.load(offset)
        self.offset = offset
        keyCount = Int(header & 0xFFFF_FFFF)
        valueCount = Int(header >> 32)
        guard keyCount + valueCount <= Self.payloadBytesMax, memory.isInWindows(offset, byteCount) else { return nil }
    }

    @inline(__always)
    func key(_ memory: TableMemory) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(memory.bytes(offset + Self.headerBytes, keyCount))
    }

    @inline(__always)
    func value(_ memory: TableMemory) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(memory.bytes(offset + Self.headerBytes + keyCount, valueCount))
    }

    @inline(__always)
    func hasKey(_ key: UnsafeRawBufferPointer, _ memory: TableMemory) -> Bool {
        keyCount == key.count && self.key(memory).elementsEqualBytes(key)
    }

    /// Writes a record into memory that nothing points to.
    static func write(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, at offset: Int, in memory: TableMemory
    ) {
        let payload = key.count + value.count
        memory.store(UInt64(key.count) | UInt64(value.count) << 32, offset)
        let last = offset + byteCount(payload: payload) - 8
        // The key is there before the value, as both may share the last word with the zeros.
        if last > offset { memory.store(0, last) }
        memory.bytes(offset + headerBytes, key.count).copyMemory(from: key)
        memory.bytes(offset + headerBytes + key.count, value.count).copyMemory(from: value)
    }
}

extension UnsafeRawBufferPointer {
    /// Whether both have the same bytes; their counts are equal.
    @inline(__always)
    func elementsEqualBytes(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count > 0, let base = baseAddress, let otherBase = other.baseAddress else { return true }
        return ByteOrder.areEqual(base, otherBase, count)
    }
}
