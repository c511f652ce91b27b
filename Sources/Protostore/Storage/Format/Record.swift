/// One key's put or delete, as it stands in the log.
///
/// ```
/// offset size  field (little-endian)
///   0     8    header checksum: XXH3-64 of bytes 8 ..< 56 + key bytes, seeded
///   8     8    value checksum: XXH3-64 of the value, seeded
///  16     8    sequence number
///  24     8    write time, milliseconds since 1970
///  32     8    expiry, milliseconds since 1970; 0 = never
///  40     4    value bytes
///  44     4    namespace
///  48     2    key bytes
///  50     1    kind: 1 put, 2 delete
///  51     1    flags: bit 0 copy made by compaction, bit 1 part of a multi-key commit
///  52     1    value type: 0 string
///  53     1    features that a reader must understand; 0
///  54     2    features that a reader may ignore; written as 0
///  56     -    key, then value, then zeros up to the next granule
/// ```
///
/// Both checksums are seeded with ``Record/checksumSeed(use:offset:)``: the id of
/// this use of the segment and the record's place in the datafile, so that
/// neither what an earlier use left behind nor a block that the disk put in the
/// wrong place is ever valid.
///
/// A record is valid if and only if
/// 1. its kind is known and byte 53 is 0,
/// 2. header, key and value end within its segment's record space,
/// 3. the header checksum matches, and
/// 4. the value checksum matches.
///
/// 1 to 3 need the header and the key only: what EXISTS, TTL or the check of a
/// candidate's key read.
package enum Record {
    package static let headerBytes = 56
    package static let keyBytesMax = 65_535
    /// What a reader of this version understands of byte 53.
    static let featuresUnderstood: UInt8 = 0

    package enum Kind: UInt8, BitwiseCopyable, Sendable {
        case put = 1
        case delete = 2
    }

    package struct Flags: OptionSet, BitwiseCopyable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Made by compaction; it, and its replay, moves only a slot that still points at its original.
        package static let copy = Flags(rawValue: 1)
        package static let multiKey = Flags(rawValue: 2)
    }

    package struct Header: Equatable, BitwiseCopyable, Sendable {
        package var sequence: UInt64 = 0
        package var writeMilliseconds: UInt64 = 0
        /// 0 = never.
        package var expiryMilliseconds: UInt64 = 0
        package var valueBytes: UInt32 = 0
        package var namespace: UInt32 = 0
        package var keyBytes: UInt16 = 0
        package var kind = Kind.put
        package var flags: Flags = []
        package var valueType: UInt8 = 0
        package var valueChecksum: UInt64 = 0

        package init() {}

        /// Header, key and value without padding.
        package var byteCount: Int { Record.headerBytes + Int(keyBytes) + Int(valueBytes) }
        /// Where the value starts, from the record's first byte.
        package var valueOffset: Int { Record.headerBytes + Int(keyBytes) }
    }

    /// The seed of both checksums of a record at `offset` bytes in the datafile,
    /// in the `use` of its segment.
    @inline(__always)
    package static func checksumSeed(use: UInt64, offset: UInt64) -> UInt64 {
        let offset = PlantedBug.isPlanted(.forgetPlaceInChecksum) ? 0 : offset
        var words = (use.littleEndian, offset.littleEndian)
        return withUnsafeBytes(of: &words) { XXH3.hash64($0, seed: 0) }
    }

    // MARK: Encoding

    /// Writes header and key and seals both with the checksums. The value must
    /// stand at `header.valueOffset` already.
    /// - Parameter record: at least `header.byteCount` bytes, from the record's first on.
    package static func seal(
        _ record: UnsafeMutableRawBufferPointer, header: Header, key: UnsafeRawBufferPointer, seed: UInt64
    ) {
        precondition(record.count >= header.byteCount && key.count == Int(header.keyBytes))
        let value = UnsafeRawBufferPointer(rebasing: record[header.valueOffset..<header.byteCount])
        store(XXH3.hash64(value, seed: seed), record, 8)
        store(header.sequence, record, 16)
        store(header.writeMilliseconds, record, 24)
        store(header.expiryMilliseconds, record, 32)
        store(header.valueBytes, record, 40)
        store(header.namespace, record, 44)
        store(header.keyBytes, record, 48)
        record[50] = header.kind.rawValue
        record[51] = header.flags.rawValue
        record[52] = header.valueType
        record[53] = 0
        store(UInt16(0), record, 54)
        (record.baseAddress! + headerBytes).copyMemory(from: key.baseAddress ?? UnsafeRawPointer(record.baseAddress!), byteCount: key.count)
        let covered = UnsafeRawBufferPointer(rebasing: record[8..<header.valueOffset])
        store(XXH3.hash64(covered, seed: seed), record, 0)
    }

    @inline(__always)
    private static func store<Value: FixedWidthInteger & BitwiseCopyable>(
        _ value: Value, _ record: UnsafeMutableRawBufferPointer, _ offset: Int
    ) {
        record.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
    }

    // MARK: Decoding

    /// How long its header says that the key is, whether or not that is true; 0 where the
    /// bytes hold no whole header.
    static func claimedKeyBytes(_ record: UnsafeRawBufferPointer) -> UInt16 {
        record.count >= headerBytes ? load(record, 48) : 0
    }

    /// Decodes and checks header and key (conditions 1 to 3).
    /// - Parameters:
    ///   - record: what was read, from the record's first byte on; may end anywhere.
    ///   - bytesMax: how many bytes the record can have at most at its place.
    /// - Returns: nil where the bytes are no valid header and key.
    @inline(__always)
    package static func decodeHeader(
        _ record: UnsafeRawBufferPointer, bytesMax: Int, seed: UInt64
    ) -> Header? {
        guard record.count >= headerBytes,
            let kind = Kind(rawValue: record[50]), record[53] & ~featuresUnderstood == 0
        else { return nil }
        var header = Header()
        header.keyBytes = load(record, 48)
        header.valueBytes = load(record, 40)
        header.kind = kind
        // Both lengths are bounded (16 and 32 bits): these sums cannot overflow.
        guard header.byteCount <= bytesMax, header.valueOffset <= record.count else { return nil }
        let covered = UnsafeRawBufferPointer(rebasing: record[8..<header.valueOffset])
        guard XXH3.hash64(covered, seed: seed) == load(record, 0) as UInt64 else { return nil }
        header.valueChecksum = load(record, 8)
        header.sequence = load(record, 16)
        header.writeMilliseconds = load(record, 24)
        header.expiryMilliseconds = load(record, 32)
        header.namespace = load(record, 44)
        header.flags = Flags(rawValue: record[51])
        header.valueType = record[52]
        return header
    }

    /// The value of a record whose header is valid, or nil where it is cut off
    /// or its checksum does not match (condition 4).
    @inline(__always)
    package static func verifiedValue(
        _ record: UnsafeRawBufferPointer, header: Header, seed: UInt64
    ) -> UnsafeRawBufferPointer? {
        guard record.count >= header.byteCount else { return nil }
        let value = UnsafeRawBufferPointer(rebasing: record[header.valueOffset..<header.byteCount])
        return XXH3.hash64(value, seed: seed) == header.valueChecksum ? value : nil
    }

    @inline(__always)
    private static func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ record: UnsafeRawBufferPointer, _ offset: Int
    ) -> Value {
        Value(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
}
