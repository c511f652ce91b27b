import CXXHash

/// XXH3 of libxxhash: the store's key hash and its checksums.
package enum XXH3 {
    @inline(__always)
    package static func hash64(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        xxh3_64(bytes.baseAddress, bytes.count, seed)
    }

    /// Of 16 bytes that stand in registers, `low` first.
    @inline(__always)
    package static func hash64(_ low: UInt64, _ high: UInt64, seed: UInt64) -> UInt64 {
        xxh3_64_of_words(low, high, seed)
    }

    @inline(__always)
    package static func hash128(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> (low: UInt64, high: UInt64) {
        let hash = xxh3_128(bytes.baseAddress, bytes.count, seed)
        return (hash.low, hash.high)
    }
}
