/// The index as it is saved beside the datafile at a clean stop.
///
/// ```
/// header, one page; words are u64, little-endian
///      0  magic "PSINDEX1"
///      8  format version
///     16  layout: root bits | tag bits << 8 | location bits << 16 | size class bits << 24
///                 | slots of a bucket << 32 | bytes of a page << 40
///     24  store id, 16 bytes
///     40  datafile's device         48  datafile's inode        56  open counter
///     64  number of the last indexed commit                     72  its checksum
///     80  keys                      88  regions                 96  pages of all regions
///    104  XXH3 of the region table
///    112  keys of 16 namespaces, u64 each                            240  which these are, u32 each
///    304  zeros
///   4088  XXH3 of bytes 0..<4088
///
/// region table, from 4096: 16 bytes for each region
///      0  root | depth << 12 | pages << 16 | keys << 32
///      8  XXH3 of the region's pages, seeded with the word before
///
/// pages of the regions, from the next multiple of 4096, in the table's order
/// ```
///
/// Regions are in the order of root and reversed tag (`IndexPosition`), so
/// that depth alone says where each begins.
///
/// A file is valid if and only if
/// - its header's checksum, magic, version and layout are right,
/// - it is exactly as long as regions and pages say, and the table's checksum is right,
/// - the regions of each root follow each other without gap or overlap up to
///   the root's end, or there are none,
/// - each region's checksum is right, it has as many slots in use as the table
///   says, and these have locations; together they are the header's keys,
/// - no namespace has more keys than there are.
///
/// The file is a cache: where it is not valid or not of this state of the
/// store, it is an error and the index is rebuilt.
package enum IndexFile {
    package static let name = "protostore.index"
    /// What it is called until it is complete.
    package static let temporaryName = name + ".new"

    static let magic: UInt64 = 0x3158_4544_4E49_5350  // "PSINDEX1"
    static let version: UInt64 = 2
    static let headerBytes = IndexLayout.pageBytes
    static let checksumOffset = headerBytes - 8
    static let tableEntryBytes = 16
    static let keyCountsOffset = 112
    static let namespacesOffset = keyCountsOffset + DatabaseNamespaces.databaseCount * 8

    static let layout: UInt64 =
        UInt64(IndexLayout.rootBits) | UInt64(IndexSlot.tagBits) << 8 | UInt64(IndexSlot.locationBits) << 16
        | UInt64(SizeClass.bits) << 24 | UInt64(IndexLayout.bucketSlots) << 32 | UInt64(IndexLayout.pageBytes) << 40

    /// Where the pages begin. `regions` is at most 2^24.
    static func pagesOffset(regions: Int) -> Int {
        let table = regions * tableEntryBytes
        return headerBytes + (table + IndexLayout.pageBytes - 1) / IndexLayout.pageBytes * IndexLayout.pageBytes
    }
}

/// Which state of which store an index belongs to.
package struct IndexIdentity: Equatable, Sendable {
    package var storeID: UInt128
    package var device: UInt64
    package var inode: UInt64
    package var openCounter: UInt64
    package var commitNumber: UInt64
    package var commitChecksum: UInt64

    package init(
        storeID: UInt128, device: UInt64, inode: UInt64, openCounter: UInt64, commitNumber: UInt64,
        commitChecksum: UInt64
    ) {
        self.storeID = storeID
        self.device = device
        self.inode = inode
        self.openCounter = openCounter
        self.commitNumber = commitNumber
        self.commitChecksum = commitChecksum
    }
}

/// Why a saved index was not written or cannot be used.
package enum IndexFileError: Error, Equatable, CustomStringConvertible {
    case system(SystemError)
    /// There is no room to load it into.
    case index(IndexError)
    /// Another format version or layout.
    case version
    /// It is of another store or of another state of this one.
    case mismatch(found: IndexIdentity)
    /// Not valid; the text says which condition failed.
    case damaged(String)

    package var description: String {
        switch self {
        case .system(let error): "saved index: \(error)"
        case .index(let error): "saved index: \(error)"
        case .version: "saved index: of another version"
        case .mismatch: "saved index: of another store, of a copy of this one, or of another state of it"
        case .damaged(let text): "saved index: damaged: \(text)"
        }
    }
}

/// The header's fields.
struct IndexFileHeader: Equatable {
    var identity: IndexIdentity
    var keys: UInt64
    var regions: UInt64
    var pages: UInt64
    var tableChecksum: UInt64
    /// By number of the database.
    var namespaces = DatabaseNamespaces()
    var keyCounts = [UInt64](repeating: 0, count: DatabaseNamespaces.databaseCount)

    func encode(into page: UnsafeMutableRawBufferPointer) {
        page.initializeMemory(as: UInt8.self, repeating: 0)
        let words = [
            IndexFile.magic, IndexFile.version, IndexFile.layout,
            UInt64(truncatingIfNeeded: identity.storeID), UInt64(truncatingIfNeeded: identity.storeID >> 64),
            identity.device, identity.inode, identity.openCounter, identity.commitNumber, identity.commitChecksum,
            keys, regions, pages, tableChecksum,
        ]
        for (position, word) in words.enumerated() {
            page.storeBytes(of: word.littleEndian, toByteOffset: position * 8, as: UInt64.self)
        }
        for (database, namespace) in namespaces.all.enumerated() {
            page.storeBytes(of: keyCounts[database].littleEndian, toByteOffset: IndexFile.keyCountsOffset + 8 * database, as: UInt64.self)
            page.storeBytes(of: namespace.littleEndian, toByteOffset: IndexFile.namespacesOffset + 4 * database, as: UInt32.self)
        }
        let checksum = Self.checksum(UnsafeRawBufferPointer(page))
        page.storeBytes(of: checksum.littleEndian, toByteOffset: IndexFile.checksumOffset, as: UInt64.self)
    }

    init(identity: IndexIdentity, keys: UInt64, regions: UInt64, pages: UInt64, tableChecksum: UInt64) {
        self.identity = identity
        self.keys = keys
        self.regions = regions
        self.pages = pages
        self.tableChecksum = tableChecksum
    }

    /// - Parameter page: `IndexFile.headerBytes` bytes.
    init(decoding page: UnsafeRawBufferPointer) throws(IndexFileError) {
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: page.load(fromByteOffset: offset, as: UInt64.self))
        }
        guard word(0) == IndexFile.magic else { throw .damaged("magic") }
        guard word(IndexFile.checksumOffset) == Self.checksum(page) else { throw .damaged("header checksum") }
        guard word(8) == IndexFile.version, word(16) == IndexFile.layout else { throw .version }
        identity = IndexIdentity(
            storeID: UInt128(word(24)) | UInt128(word(32)) << 64, device: word(40), inode: word(48),
            openCounter: word(56), commitNumber: word(64), commitChecksum: word(72))
        keys = word(80)
        regions = word(88)
        pages = word(96)
        tableChecksum = word(104)
        for database in 0..<DatabaseNamespaces.databaseCount {
            keyCounts[database] = word(IndexFile.keyCountsOffset + 8 * database)
            namespaces[database] = UInt32(
                littleEndian: page.load(fromByteOffset: IndexFile.namespacesOffset + 4 * database, as: UInt32.self))
        }
        guard keyCounts.allSatisfy({ $0 <= keys }) else { throw .damaged("keys of a namespace") }
    }

    private static func checksum(_ page: UnsafeRawBufferPointer) -> UInt64 {
        XXH3.hash64(UnsafeRawBufferPointer(rebasing: page[..<IndexFile.checksumOffset]), seed: 0)
    }
}

/// One line of the region table.
struct IndexFileRegion {
    var word: UInt64
    var checksum: UInt64

    init(word: UInt64, checksum: UInt64) {
        self.word = word
        self.checksum = checksum
    }

    init(root: Int, depth: Int, pages: Int, used: Int) {
        word = UInt64(root) | UInt64(depth) << 12 | UInt64(pages) << 16 | UInt64(used) << 32
        checksum = 0
    }

    var root: Int { Int(word & (1 << 12 - 1)) }
    var depth: Int { Int(word >> 12 & 15) }
    var pages: Int { Int(word >> 16 & 63) }
    var used: Int { Int(word >> 32 & (1 << 15 - 1)) }
    var reservedBits: UInt64 { word >> 47 | word & (1023 << 22) }

    /// The checksum that these pages should have.
    func checksum(of pages: UnsafeRawBufferPointer) -> UInt64 {
        XXH3.hash64(pages, seed: word)
    }
}
