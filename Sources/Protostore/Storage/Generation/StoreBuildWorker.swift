/// A thread's part of a build: its place in the sequence of keys, and the
/// memory for one segment and its piece of the table of contents.
struct StoreBuildWorker: ~Copyable {
    private let job: StoreBuildJob
    private var keys: GeneratedKeys
    /// The number of the key that `keys` gives next.
    private var keyNumber = 0
    private var image: SegmentImage
    private var entries: TableOfContents.Piece
    private var slots = PendingSlots()

    init(_ job: StoreBuildJob) throws(SystemError) {
        let recordBytesMin = StorePlan.recordBytes(job.options.valueBytes.lowerBound)
        let image = try SegmentImage(layout: job.plan.layout)
        let entries = try TableOfContents.Piece(
            capacity: SegmentSpace.entryCountMax(job.plan.layout, byteCountMin: recordBytesMin))
        self.job = job
        self.image = image
        self.entries = entries
        keys = GeneratedKeys(count: job.options.keyCount, seed: job.options.seed)
    }

    /// Fills a segment, writes it and adds its keys to table of contents and index.
    /// - Parameter segment: greater than the one before.
    mutating func build(_ segment: Int) throws {
        let first = job.plan.keys(inSegment: segment).lowerBound
        fill(segment)
        try job.index.insert(slots, startingAt: segment % StoreBuildIndex.partitionCount)
        try SystemError.naming(job.directory.filePath(StoreDirectory.datafileName)) { () throws(SystemError) in
            try job.directory.datafile.write(image.bytes, at: image.offset)
        }
        try job.tableOfContents.write(entries, at: first)
    }

    private mutating func fill(_ segment: Int) {
        let now = Clock.wallMilliseconds()
        let use = job.use(ofSegment: segment)
        var header = SegmentHeader(
            segment: UInt64(segment), use: use, storeID: job.superblock.storeID, openedMilliseconds: now)
        header.previousUse = use - 1
        image.begin(header)
        entries.removeAll()
        slots.removeAll()
        let numbers = job.plan.keys(inSegment: segment)
        keys.skip(numbers.lowerBound - keyNumber)
        for number in numbers { append(number) }
        keyNumber = numbers.upperBound
        image.seal(sealedMilliseconds: now)
    }

    @inline(__always)
    private mutating func append(_ number: Int) {
        let key = keys.next()!  // the plan has as many keys as the sequence
        let valueBytes = job.plan.sizes[number]
        var header = Record.Header()
        header.sequence = UInt64(number) + 1
        header.writeMilliseconds = job.superblock.creationMilliseconds
        header.keyBytes = UInt16(GeneratedKeys.keyBytes)
        header.valueBytes = UInt32(valueBytes)
        withUnsafeBytes(of: key.bigEndian) { bytes in
            let hash = KeyHash(bytes, namespace: 0, seed: job.superblock.hashSeed)
            let offset = image.append(header, key: bytes, hash: hash) { value in
                ValuePattern.fill(value, key: bytes, version: 0)
            }
            // The plan has counted with the same SegmentSpace: it fits, and one read covers it.
            let slot = IndexSlot(
                recordAt: offset!, byteCount: header.byteCount, expires: false, layout: job.plan.layout)!
            slots.append(slot, hash: hash, partition: job.index.partition(of: hash))
            entries.append(key: key, offset: offset! + header.valueOffset, length: valueBytes)
        }
    }
}
