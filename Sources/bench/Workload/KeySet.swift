import Protostore

/// The keys of a run, by number, shared by all load threads; and keys that no
/// store has.
///
/// They are either those of a table of contents, as `mk_data` wrote it, or new
/// ones: UUIDs that follow from their number and a seed. New keys take no memory:
/// whoever has the seed has the keys.
final class KeySet: Sendable {
    /// The table of contents at an address that can be missing.
    private final class Listed: Sendable {
        let contents: TableOfContents
        init(directory: String) throws(TableOfContents.OpenError) {
            contents = try TableOfContents(directory: directory)
        }
    }

    private let listed: Listed?
    private let newKeySeed: UInt64

    /// The keys are those of a table of contents.
    let isListed: Bool
    /// At most `UInt32.max`: operations hold 32-bit indices.
    let count: UInt32
    /// How long values are that a run writes.
    let sizes: ValueSizes

    struct Unsuitable: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameters:
    ///   - directory: with the `protostore.toc` files; nil where new keys get values of given lengths.
    ///   - newKeys: how many new keys there are, instead of those of the directory; nil for those.
    ///   - newKeySeed: the same seed gives the same new keys.
    /// - Throws: `TableOfContents.OpenError`, ``Unsuitable``.
    init(directory: String?, newKeys: UInt32? = nil, newKeySeed: UInt64 = 0, sizes: ValueSizes = .stored) throws {
        listed = try directory.map { try Listed(directory: $0) }
        let listedCount = listed?.contents.count ?? 0
        if sizes == .stored, listedCount == 0 {
            throw Unsuitable(description: "without a table of contents there are no stored lengths")
        }
        guard let count = newKeys ?? UInt32(exactly: listedCount), count > 0 else {
            throw Unsuitable(
                description: "\(listedCount) keys in the table of contents: 1 to \(UInt32.max) can be addressed")
        }
        isListed = newKeys == nil
        (self.count, self.newKeySeed, self.sizes) = (count, newKeySeed, sizes)
    }

    // MARK: Keys

    /// 16 key bytes, as two words in memory order.
    struct Key: Equatable {
        var first: UInt64
        var second: UInt64

        @inline(__always)
        func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
            try withUnsafeBytes(of: self, body)
        }
    }

    @inline(__always)
    func key(at index: UInt32) -> Key {
        guard isListed, let listed else { return Self.uuid(nonce: newKeySeed << 32 &+ UInt64(index)) }
        let bytes = listed.contents.key(at: Int(index))
        return Key(
            first: bytes.loadUnaligned(as: UInt64.self),
            second: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// Writes the 16 key bytes of an operation.
    @inline(__always)
    func writeKey(of operation: Operation, to destination: UnsafeMutableRawPointer) {
        let key = key(of: operation)
        // As two words: a call of memmove costs more than the copy.
        destination.storeBytes(of: key.first, as: UInt64.self)
        destination.storeBytes(of: key.second, toByteOffset: 8, as: UInt64.self)
    }

    @inline(__always)
    private func key(of operation: Operation) -> Key {
        if case .readAbsent(let nonce) = operation { return Self.uuid(nonce: nonce) }
        return key(at: operation.index ?? 0)
    }

    /// The random version-4 UUID that `nonce` stands for. 122 random bits: those
    /// of random nonces are in no store, for all practical purposes.
    private static func uuid(nonce: UInt64) -> Key {
        var random = SplitMix64(seed: nonce)
        let first = random.next(), second = random.next()
        // Byte 6 holds the version in its upper half, byte 8 the variant in its two upper bits.
        return Key(
            first: UInt64(littleEndian: first & ~(0xF0 << 48) | 0x40 << 48),
            second: UInt64(littleEndian: second & ~0xC0 | 0x80))
    }

    // MARK: Values

    /// Bytes of a listed key's value as generated; new keys take their turn in the same lengths.
    @inline(__always)
    func storedBytes(at index: UInt32) -> Int {
        guard let listed else { return 0 }
        return listed.contents.length(at: isListed ? Int(index) : Int(index) % listed.contents.count)
    }

    /// Bytes of the value that a run writes as this version of a key, counted from 1.
    @inline(__always)
    func valueBytes(at index: UInt32, version: UInt32) -> Int {
        sizes.bytes(index: index, version: version, stored: storedBytes(at: index))
    }

    /// Bytes of the longest value that a run can write.
    var valueBytesMax: Int {
        if case .range(_, let bytesMax) = sizes { return bytesMax }
        return ValueSizes.bytesMax
    }

    // MARK: Reports

    /// The key of an operation as people write UUIDs. Allocates: for reports only.
    func describe(_ operation: Operation) -> String {
        let hex = key(of: operation).withBytes { key in
            key.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        }
        let text = [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { hex[$0].joined() }.joined(separator: "-")
        guard let index = operation.index else { return "absent key \(text)" }
        return "key \(text) (index \(index))"
    }
}
