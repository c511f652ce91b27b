import Protostore

/// The keys of a generated store, shared by all load threads, and the keys
/// that it does not have.
final class KeySet: Sendable {
    private let contents: TableOfContents

    /// The number of keys, at most `UInt32.max`: operations hold 32-bit indices.
    let count: UInt32

    struct TooManyKeys: Error, CustomStringConvertible {
        let count: Int
        var description: String { "\(count) keys in the table of contents: at most \(UInt32.max) can be addressed" }
    }

    /// Maps the table of contents of a data directory.
    /// - Throws: `TableOfContents.OpenError`, ``TooManyKeys``.
    init(directory: String) throws {
        contents = try TableOfContents(directory: directory)
        guard let count = UInt32(exactly: contents.count) else { throw TooManyKeys(count: contents.count) }
        self.count = count
    }

    /// The 16 bytes of a key in the store, valid as long as this object.
    @inline(__always)
    func key(at index: UInt32) -> UnsafeRawBufferPointer {
        contents.key(at: Int(index))
    }

    /// Bytes of the key's value as generated.
    @inline(__always)
    func valueBytes(at index: UInt32) -> Int {
        contents.length(at: Int(index))
    }

    /// Writes the 16 key bytes of an operation.
    @inline(__always)
    func writeKey(of operation: Operation, to destination: UnsafeMutableRawPointer) {
        switch operation {
        case .read(let index):
            // As two words: a call of memmove costs more than the copy.
            let key = key(at: index)
            destination.storeBytes(of: key.loadUnaligned(as: UInt64.self), as: UInt64.self)
            destination.storeBytes(
                of: key.loadUnaligned(fromByteOffset: 8, as: UInt64.self), toByteOffset: 8, as: UInt64.self)
        case .readAbsent(let nonce):
            Self.writeAbsentKey(nonce: nonce, to: destination)
        }
    }

    /// The random version-4 UUID that `nonce` stands for. 122 random bits: it
    /// is in no store, for all practical purposes.
    private static func writeAbsentKey(nonce: UInt64, to destination: UnsafeMutableRawPointer) {
        var random = SplitMix64(seed: nonce)
        destination.storeBytes(of: random.next(), toByteOffset: 0, as: UInt64.self)
        destination.storeBytes(of: random.next(), toByteOffset: 8, as: UInt64.self)
        let version = destination.load(fromByteOffset: 6, as: UInt8.self) & 0x0F | 0x40
        let variant = destination.load(fromByteOffset: 8, as: UInt8.self) & 0x3F | 0x80
        destination.storeBytes(of: version, toByteOffset: 6, as: UInt8.self)
        destination.storeBytes(of: variant, toByteOffset: 8, as: UInt8.self)
    }

    /// The key of an operation as people write UUIDs. Allocates: for reports only.
    func describe(_ operation: Operation) -> String {
        let hex = withUnsafeTemporaryAllocation(byteCount: TableOfContents.keyBytes, alignment: 1) { key in
            writeKey(of: operation, to: key.baseAddress!)
            return key.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        }
        let text = [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { hex[$0].joined() }.joined(separator: "-")
        switch operation {
        case .read(let index): return "key \(text) (index \(index))"
        case .readAbsent: return "absent key \(text)"
        }
    }
}
