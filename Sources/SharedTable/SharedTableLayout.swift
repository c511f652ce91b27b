/// Where everything is in a table's file. Integers are little-endian.
///
/// ```
/// superblock        4,096 bytes     what the table is; its few shared words
/// reader slots      1,024 x 64      who reads at the moment (TableReaders)
/// stripes, hot      1,024 x 128     a lock, and what every operation touches (TableStripe)
/// stripes, cold     1,024 x 1,024   the rest of what it protects
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
/// A cell takes 16 bytes and holds such a pair. Pages are 55 to 85 % full, 68 % on average, so a pair
/// takes about 24 bytes of cells: 105 GB in all. A stripe has 2^22 of the keys, in
/// some 840 regions of 15 to 32 pages. Each has a window: 860,000 windows, 113 GB of
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
    static let stripeHotBytes = 128
    static let stripeColdBytes = 1024
    static let stripesOffset = readerSlotsOffset + readerSlotCount * lineBytes
    static let coldStripesOffset = stripesOffset + stripeCount * stripeHotBytes
    static let freeBitsOffset = coldStripesOffset + stripeCount * stripeColdBytes

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

    /// Offsets of words in a stripe. The first line is the writer's, the second one is all that a reader
    /// touches; the lines of all stripes lie side by side, in 32 pages. From 128 on it is the cold part.
    ///
    /// ```
    ///   0  mutex                   40  journal: entries << 8 | phase, or place of a cell << 8 | phase
    ///  48  pairs and 56, 112 the words of that cell before its change
    ///  64  version, odd in a change                72  root: region or directory
    ///  80  pairs                   88  pages of cells
    ///  96  puts                   104  removals
    /// 128  times the lock was waited for          136  where to collect next, window + 1
    /// 144  open window + 1        152  first window of records + 1
    /// 160  bytes of live records  168  bytes of records in windows, dead ones included
    /// 176  growth steps   184  shrink steps   192  collections   200  pairs that these moved
    /// 208  recoveries     216  large records
    /// 224  four claims: windows taken by the change   256  four releases: windows it gives up
    /// 288  journal: 48 entries of offset and old word
    /// ```
    enum Stripe {
        static let mutex = 0, journal = 40, oldPairs = 48, oldLow = 56
        static let version = 64, root = 72, pairs = 80, pages = 88, puts = 96, removals = 104, oldHigh = 112
        static let coldStart = 128
        static let contention = 128, collectNext = 136
        static let openWindow = 144, recordWindows = 152, liveBytes = 160, usedBytes = 168
        static let growths = 176, shrinks = 184, collections = 192
        static let collectedPairs = 200, recoveries = 208, largeRecords = 216
        static let claims = 224, releases = 256, listLength = 4
        static let entries = 288, entriesMax = 48
    }
}

// Relations that the layout rests on.
extension SharedTableLayout {
    /// Whether sizes and offsets fit each other; a test asserts it.
    static var isConsistent: Bool {
        Stripe.entries + Stripe.entriesMax * 16 <= Stripe.coldStart + stripeColdBytes
            && Stripe.coldStart == stripeHotBytes && RobustMutex.byteCount <= Stripe.journal
            && Stripe.claims + 8 * Stripe.listLength == Stripe.releases
            && Stripe.releases + 8 * Stripe.listLength == Stripe.entries
            && stripesOffset % pageBytes == 0 && coldStripesOffset % pageBytes == 0 && freeBitsOffset % pageBytes == 0
            && windowBytes % pageBytes == 0
    }
}
