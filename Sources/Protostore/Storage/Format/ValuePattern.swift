/// Values that describe themselves: what `mk_data` writes and `bench` verifies,
/// on any machine that has the keys.
///
/// ```
/// byte 0 ..< 4   version, little-endian (fewer bytes in a shorter value)
/// byte 4 ...     words of SplitMix64, 8 bytes each, little-endian, seeded with
///                XXH3-64(key, seed: version)
/// ```
///
/// The version is 0 as generated; whoever overwrites a key raises it.
/// Both directions cost O(value) time and no memory.
package enum ValuePattern {
    package static let versionBytes = 4

    /// Fills `value` with the bytes that `key` has at `version`.
    package static func fill(_ value: UnsafeMutableRawBufferPointer, key: UnsafeRawBufferPointer, version: UInt32) {
        withUnsafeBytes(of: version.littleEndian) { bytes in
            value.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(value.count)))
        }
        guard value.count > versionBytes else { return }
        var words = stream(of: key, version: version)
        var offset = versionBytes
        while offset &+ 8 <= value.count {
            value.storeBytes(of: words.next().littleEndian, toByteOffset: offset, as: UInt64.self)
            offset &+= 8
        }
        withUnsafeBytes(of: words.next().littleEndian) { rest in
            for index in 0..<(value.count - offset) { value[offset + index] = rest[index] }
        }
    }

    /// The version of a value, or nil where its bytes are not what `key` has at any version.
    /// A value of fewer than five bytes holds nothing to check beyond its version.
    package static func verifiedVersion(of value: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> UInt32? {
        let version = statedVersion(of: value)
        guard value.count > versionBytes else { return version }
        var words = stream(of: key, version: version)
        var offset = versionBytes
        var difference: UInt64 = 0
        while offset &+ 8 <= value.count {
            let word = value.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            difference |= UInt64(littleEndian: word) ^ words.next()
            offset &+= 8
        }
        guard difference == 0 else { return nil }
        return withUnsafeBytes(of: words.next().littleEndian) { rest in
            for index in 0..<(value.count - offset) where value[offset + index] != rest[index] { return nil }
            return version
        }
    }

    private static func statedVersion(of value: UnsafeRawBufferPointer) -> UInt32 {
        var version: UInt32 = 0
        withUnsafeMutableBytes(of: &version) { bytes in
            bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: value.prefix(versionBytes)))
        }
        return UInt32(littleEndian: version)
    }

    @inline(__always)
    private static func stream(of key: UnsafeRawBufferPointer, version: UInt32) -> SplitMix64 {
        SplitMix64(seed: XXH3.hash64(key, seed: UInt64(version)))
    }
}
