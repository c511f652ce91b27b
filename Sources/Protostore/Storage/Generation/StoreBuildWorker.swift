/// A thread's part of a build: its place in the sequence of records, and the
/// memory for one segment and its piece of the table of contents.
struct StoreBuildWorker<Source: RecordSource>: ~Copyable {
    private let job: StoreBuildJob<Source>
    private var reader: Source.Reader
    /// The number of the record that `reader` gives next.
    private var nextNumber = 0
    private var image: SegmentImage
    private var entries: TableOfContents.Piece
    private var slots = PendingSlots()

    init(_ job: StoreBuildJob<Source>) throws {
        let reader = try job.source.makeReader()
        let image = try SegmentImage(layout: job.plan.layout)
        let entries = try TableOfContents.Piece(capacity: job.plan.segmentKeysMax)
        self.job = job
        self.image = image
        self.entries = entries
        self.reader = reader
    }

    /// Fills a segment, writes it and adds its keys to table of contents and index.
    /// - Parameter segment: greater than the one before.
    mutating func build(_ segment: Int) throws {
        let first = job.plan.keys(inSegment: segment).lowerBound
        try fill(segment)
        try job.index.insert(slots, startingAt: segment % StoreBuildIndex.partitionCount)
        try SystemError.naming(job.directory.datafilePath) { () throws(SystemError) in
            try job.directory.datafile.write(image.bytes, at: image.offset)
        }
        if let ranks = job.source.ranks {
            job.tableOfContents.place(entries) { ranks[first + $0] }
        } else {
            try job.tableOfContents.write(entries, at: first)
        }
    }

    private mutating func fill(_ segment: Int) throws {
        let now = Clock.wallMilliseconds()
        let use = job.use(ofSegment: segment)
        var header = SegmentHeader(
            segment: UInt64(segment), use: use, storeID: job.superblock.storeID, openedMilliseconds: now)
        header.previousUse = use - 1
        image.begin(header)
        entries.removeAll()
        slots.removeAll()
        let numbers = job.plan.keys(inSegment: segment)
        reader.skip(numbers.lowerBound - nextNumber)
        for number in numbers { try append(number) }
        nextNumber = numbers.upperBound
        image.seal(sealedMilliseconds: now)
    }

    @inline(__always)
    private mutating func append(_ number: Int) throws {
        let (key, valueBytes) = try reader.next()
        var header = Record.Header()
        header.sequence = UInt64(number) + 1
        header.writeMilliseconds = job.superblock.creationMilliseconds
        header.keyBytes = UInt16(GeneratedKeys.keyBytes)
        header.valueBytes = UInt32(valueBytes)
        try withUnsafeBytes(of: key.bigEndian) { bytes in
            let hash = KeyHash(bytes, namespace: 0, seed: job.superblock.hashSeed)
            let offset = image.append(header, key: bytes, hash: hash) { value in
                reader.copyValue(into: value, key: bytes)
            }
            // The plan has counted with the same SegmentSpace: it fits, unless a value has become
            // longer meanwhile. And one read covers it.
            guard let offset else { throw StoreBuildError.sourceChanged }
            let slot = IndexSlot(
                recordAt: offset, byteCount: header.byteCount, expires: false, layout: job.plan.layout)!
            slots.append(slot, hash: hash, partition: job.index.partition(of: hash))
            entries.append(key: key, offset: offset + header.valueOffset, length: valueBytes)
        }
    }
}
