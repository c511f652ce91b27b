/// The three `protostore.toc.*` files that the original's clients read: where
/// the store as generated has each key's value.
///
/// ```
/// protostore.toc.uuids     16 bytes each, sorted as bytes
/// protostore.toc.offsets   u64 little-endian: byte position of the value in protostore.data
/// protostore.toc.lengths   u16 little-endian: bytes of the value
/// ```
///
/// Entry i of the three belongs together. Offsets go stale once writes begin;
/// keys do not. Opening costs O(1): the files are mapped, not read.
package struct TableOfContents: ~Copyable, Sendable {
    package static let keyBytes = 16
    package static let uuidsName = "protostore.toc.uuids"
    package static let offsetsName = "protostore.toc.offsets"
    package static let lengthsName = "protostore.toc.lengths"

    /// The number of keys.
    package let count: Int
    private let uuids: MemoryMapping
    private let offsets: MemoryMapping
    private let lengths: MemoryMapping

    package enum OpenError: Error, CustomStringConvertible {
        case system(SystemError)
        case sizes(String)

        package var description: String {
            switch self {
            case .system(let error): "\(error)"
            case .sizes(let text): text
            }
        }
    }

    /// Maps the three files of a directory.
    /// - Throws: where one is missing, empty or their sizes do not belong together.
    package init(directory: String) throws(OpenError) {
        func map(_ name: String) throws(OpenError) -> MemoryMapping {
            do throws(SystemError) {
                let file = try FileDescriptor.open("\(directory)/\(name)")
                let byteCount = try file.byteCount()
                guard byteCount > 0 else { throw SystemError("mmap", code: 22, on: "\(directory)/\(name) is empty") }
                return try MemoryMapping(shared: file, byteCount: byteCount, writable: false)
            } catch {
                throw .system(error)
            }
        }
        let uuids = try map(Self.uuidsName)
        let offsets = try map(Self.offsetsName)
        let lengths = try map(Self.lengthsName)
        let count = uuids.byteCount / Self.keyBytes
        guard
            uuids.byteCount == count * 16, offsets.byteCount == count * 8, lengths.byteCount == count * 2
        else {
            throw .sizes(
                "\(directory): the three protostore.toc files do not belong together "
                    + "(\(uuids.byteCount), \(offsets.byteCount) and \(lengths.byteCount) bytes; "
                    + "16, 8 and 2 bytes a key are expected). Copy all three from one mk_data run.")
        }
        self.count = count
        self.uuids = uuids
        self.offsets = offsets
        self.lengths = lengths
    }

    /// The 16 bytes of key `index`, valid as long as this table.
    @inline(__always)
    package func key(at index: Int) -> UnsafeRawBufferPointer {
        precondition(index >= 0 && index < count)
        return UnsafeRawBufferPointer(start: uuids.base + index * Self.keyBytes, count: Self.keyBytes)
    }

    /// Byte position of the value in the datafile, as generated.
    package func offset(at index: Int) -> UInt64 {
        precondition(index >= 0 && index < count)
        return UInt64(littleEndian: offsets.base.load(fromByteOffset: index * 8, as: UInt64.self))
    }

    /// Bytes of the value, as generated.
    @inline(__always)
    package func length(at index: Int) -> Int {
        precondition(index >= 0 && index < count)
        return Int(UInt16(littleEndian: lengths.base.load(fromByteOffset: index * 2, as: UInt16.self)))
    }
}
