/// Fixed-layout blocks: little-endian fields at given offsets, closed by a checksum.
extension UnsafeMutableRawBufferPointer {
    @inline(__always)
    func put<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
    }

    /// Writes XXH3-64 of all bytes before the last eight into the last eight.
    func sealWithChecksum(seed: UInt64) {
        let body = UnsafeRawBufferPointer(rebasing: self[..<(count - 8)])
        put(XXH3.hash64(body, seed: seed), at: count - 8)
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    func get<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: Value.Type = Value.self) -> Value {
        Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    /// Whether the last eight bytes are the checksum that `sealWithChecksum` writes.
    func hasValidChecksum(seed: UInt64) -> Bool {
        let body = UnsafeRawBufferPointer(rebasing: self[..<(count - 8)])
        return XXH3.hash64(body, seed: seed) == get(count - 8, as: UInt64.self)
    }
}
