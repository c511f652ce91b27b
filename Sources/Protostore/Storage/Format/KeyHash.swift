/// The 128-bit hash of a key within a namespace: XXH3-128, seeded per store.
///
/// ``index`` places the key (shard, region, tag); all 128 bits stand in segment
/// summaries, where equal bits are taken for the same key. The seed is random,
/// so nobody outside can construct keys that collide.
package struct KeyHash: Hashable, BitwiseCopyable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Parameters:
    ///   - key: 0 to 65,535 bytes.
    ///   - seed: the hash seed of the store's superblock.
    @inline(__always)
    package init(_ key: UnsafeRawBufferPointer, namespace: UInt32, seed: UInt64) {
        // An odd multiplier keeps the seeds of all 2^32 namespaces apart.
        let hash = XXH3.hash128(key, seed: seed &+ UInt64(namespace) &* 0x9E37_79B9_7F4A_7C15)
        high = hash.high
        low = hash.low
    }

    /// The 64 bits by which the index knows the key.
    @inline(__always)
    package var index: UInt64 { high }
}
