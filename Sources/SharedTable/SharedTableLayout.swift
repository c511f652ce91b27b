/// Where everything is in a table's file. Integers are little-endian.
///
/// ```
/// superblock        4,096 bytes     what the table is; its few shared words
/// reader slots      1,024 x 64      who reads at the moment (TableReaders)
/// stripes           1,024 x 1,024   a lock, and what it protects (TableStripe)
/// free bits         1 bit each      windows that nobody has
/// window states     32 bytes each   whose a window is, how much of it is allocated (TableWindows)
/// windows           131,072 each    pages of cells, directories, records
/// ```
///
/// The file is as long as the capacity from the start, and mapped once and whole: there
/// is one mapping and one descriptor whatever the table holds. It is sparse: what is
/// not allocated takes address space only (1 TiB of 128 by default). Every page is
/// allocated with fallocate(2) before anybody touches it.
///
/// ## Arithmetic for 2^32 keys with keys and values of 4 bytes
///
/// A cell takes 16 bytes and holds such a pair. Pages are 65 to 88 % full, so a pair
/// takes 18 to 25 bytes of cells: 80 to 105 GB in all. A stripe has 2^22 of the keys, in
/// some 840 regions of 20 to 32 pages. Each has a window: 860,000 windows, 113 GB of
/// address space. Directories take 1,024 x 1,024 x 8 bytes, window states 27 MB.
/// The limits: 1,024 stripes x 16,384 regions x 7,000 pairs = 1.2 x 10^11 pairs in a
/// capacity of 16 TiB.
///
/// ## Superblock
///
/// ```
///   0  magic "PSTABLE1"          8  format version
///  16  features that a reader must know       24  features that others may ignore
///  32  bytes of the file        40  windows
///  48  seed of the hash         56  bytes of a mutex | stripes << 32
///  64  most bytes to allocate   72  milliseconds since 1970 at creation
///  80  XXH3 of bytes 0..<80
/// 128  windows ever used       136  bytes allocated          144  reader slots ever used
/// 152  bytes of window states that are allocated             160  of free bits
/// 168  windows that are free but keep pages                  176  where to look for a free window
/// 192  1 if cleanly closed     200  boot id, 16 bytes        216  PID namespace
/// 256  mutex of the one that gives memory back               320  pages given back
/// ```
///
/// A file is a table if and only if it is a regular file of this user, not a link, at
/// least a superblock long, the magic, the version, the mutex size, the counts and the
/// checksum of the superblock are right, no feature is unknown, and the file is
/// exactly as long as it says.
enum SharedTableLayout {
    static let magic: UInt64 = 0x3145_4C42_4154_5350  // "PSTABLE1"
    static let formatVersion: UInt64 = 2

    static let pageBytes = 4096
    static let lineBytes = 64

    static let readerSlotCount = 1024
    static let readerSlotsOffset = pageBytes
    static let stripeBits = 10
    static let stripeCount = 1 << stripeBits
    static let stripeBytes = 1024
    static let stripesOffset = readerSlotsOffset + readerSlotCount * lineBytes
    static let freeBitsOffset = stripesOffset + stripeCount * stripeBytes

    static let windowShift = 17
    static let windowBytes = 1 << windowShift
    static let windowPages = windowBytes / pageBytes
    static let windowStateBytes = 32
    /// Window numbers plus one take 31 bits, beside a flag.
    static let windowCountMax = 1 << 27

    static let capacityBytesDefault = 1 << 40
    static let capacityBytesMax = windowCountMax << windowShift

    static func windowStatesOffset(windowCount: Int) -> Int {
        freeBitsOffset + roundedUp((windowCount + 7) / 8, to: pageBytes)
    }

    static func windowsOffset(windowCount: Int) -> Int {
        roundedUp(windowStatesOffset(windowCount: windowCount) + windowCount * windowStateBytes, to: windowBytes)
    }

    static func roundedUp(_ value: Int, to unit: Int) -> Int {
        (value + unit - 1) / unit * unit
    }

    /// Offsets of words in the superblock.
    enum Header {
        static let magic = 0, version = 8, requiredFeatures = 16, optionalFeatures = 24
        static let fileBytes = 32, windowCount = 40, hashSeed = 48, geometry = 56
        static let bytesMax = 64, creationMilliseconds = 72, checksum = 80
        static let windowsUsed = 128, bytesAllocated = 136, readerSlotsUsed = 144
        static let windowStateBytesReady = 152, freeBitBytesReady = 160, sparePages = 168, searchStart = 176
        static let cleanlyClosed = 192, bootID = 200, namespace = 216
        static let trimMutex = 256, pagesGivenBack = 320
    }

    /// Offsets of words in a stripe. The first line is the lock's, the second one is
    /// all that a reader touches.
    ///
    /// ```
    ///   0  mutex                   40  journal: entries << 8 | phase
///  48  times it was waited for 56  where to collect next, window + 1
    ///  64  version, odd in a change                72  root: region or directory
    ///  80  pairs                   88  pages of cells
    ///  96  open window + 1        104  first window of records + 1
    /// 112  bytes of live records  120  bytes of records in windows, dead ones included
    /// 128  puts   136  removals   144  growth steps   152  shrink steps   160  collections
    /// 168  pairs that these moved   176  recoveries   184  large records
    /// 192  four claims: windows taken by the change   224  four releases: windows it gives up
    /// 256  journal: 48 entries of offset and old word
    /// ```
    enum Stripe {
        static let mutex = 0, journal = 40, contention = 48, collectNext = 56
        static let version = 64, root = 72, pairs = 80, pages = 88
        static let openWindow = 96, recordWindows = 104, liveBytes = 112, usedBytes = 120
        static let puts = 128, removals = 136, growths = 144, shrinks = 152, collections = 160
        static let collectedPairs = 168, recoveries = 176, largeRecords = 184
        static let claims = 192, releases = 224, listLength = 4
        static let entries = 256, entriesMax = 48
    }
}

// Relations that the layout rests on.
extension SharedTableLayout {
    /// Whether sizes and offsets fit each other; a test asserts it.
    static var isConsistent: Bool {
        Stripe.entries + Stripe.entriesMax * 16 == stripeBytes
            && RobustMutex.byteCount <= Stripe.journal
            && Stripe.claims + 8 * Stripe.listLength == Stripe.releases
            && Stripe.releases + 8 * Stripe.listLength == Stripe.entries
            && stripesOffset % pageBytes == 0 && freeBitsOffset % pageBytes == 0
            && windowBytes % pageBytes == 0
    }
}
