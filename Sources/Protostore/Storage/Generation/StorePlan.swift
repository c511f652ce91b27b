/// Which of the generated keys go into which segment: known from their sizes
/// before anything is written. 8 bytes of memory a segment.
struct StorePlan: Sendable {
    let layout: DatafileLayout
    let sizes: GeneratedSizes
    /// Bytes of all values.
    let valueBytes: Int
    /// The first key of each segment, and at the end the number of keys.
    private let firstKeys: [Int]

    /// O(keys), about 2 ns each.
    /// - Parameters:
    ///   - fileSystemBytes: the size of the file system, which granule and segments must let the store grow to.
    ///   - freeBytes: what all files together may take.
    /// - Returns: nil where they would take more.
    init?(_ options: StoreBuilder.Options, fileSystemBytes: Int, freeBytes: Int) {
        let reach = max(fileSystemBytes, Self.estimatedByteCount(options))
        let granuleBytes = DatafileLayout.granuleBytes(reaching: reach)
        let segmentBytes = options.segmentBytes ?? DatafileLayout.segmentBytes(reaching: reach)
        guard let layout = DatafileLayout(segmentBytes: segmentBytes, granuleBytes: granuleBytes) else {
            preconditionFailure("a segment has 64 KiB to 1 GiB, a power of two")
        }
        let sizes = GeneratedSizes(range: options.valueBytes, seed: options.seed)
        let datafileBytesMax = min(freeBytes - Self.companionBytes(options.keyCount), layout.byteCountMax)
        let segmentCountMax = layout.segmentCount(byteCount: datafileBytesMax)
        var firstKeys = [0]
        var space = SegmentSpace(layout)
        var valueBytes = 0
        for key in 0..<options.keyCount {
            let byteCount = sizes[key]
            valueBytes += byteCount
            if space.place(byteCount: Self.recordBytes(byteCount)) != nil { continue }
            firstKeys.append(key)
            // Stop here: planning what cannot be built may take minutes.
            guard firstKeys.count <= segmentCountMax else { return nil }
            space = SegmentSpace(layout)
            _ = space.place(byteCount: Self.recordBytes(byteCount))
        }
        guard firstKeys.count <= segmentCountMax else { return nil }
        self.layout = layout
        self.sizes = sizes
        self.valueBytes = valueBytes
        self.firstKeys = firstKeys + [options.keyCount]
    }

    var segmentCount: Int { firstKeys.count - 1 }
    var datafileBytes: Int { layout.segmentOffset(segmentCount) }

    /// The numbers of the keys in a segment.
    func keys(inSegment segment: Int) -> Range<Int> {
        firstKeys[segment]..<firstKeys[segment + 1]
    }

    /// How far a build of this plan is.
    func progress(keys: Int, segments: Int) -> StoreBuilder.Progress {
        StoreBuilder.Progress(
            keys: keys, keyCount: firstKeys[segmentCount], bytes: segments * layout.segmentBytes,
            byteCount: segmentCount * layout.segmentBytes)
    }

    /// Bytes of the record of a generated key, without padding.
    @inline(__always)
    static func recordBytes(_ valueBytes: Int) -> Int {
        Record.headerBytes + GeneratedKeys.keyBytes + valueBytes
    }

    /// About what all files of the store will take, in bytes: for a message, and for the granule.
    static func estimatedByteCount(_ options: StoreBuilder.Options) -> Int {
        let meanBytes = (options.valueBytes.lowerBound + options.valueBytes.upperBound) / 2
        let recordBytes = recordBytes(meanBytes) + DatafileLayout.granuleBytesMin / 2
        let dataBytes = options.keyCount * (recordBytes + SummaryEntry.byteCount)
        let segmentBytes = options.segmentBytes ?? DatafileLayout.segmentBytesDefault
        let segmentCount = dataBytes / (segmentBytes - 2 * DatafileLayout.blockBytes) + 1
        return DatafileLayout.firstSegmentOffset + segmentCount * segmentBytes
            + companionBytes(options.keyCount)
    }

    /// Bytes of the toc files and, at most, of the saved index: 12 a key, but
    /// at least a page for each root that has keys.
    private static func companionBytes(_ keyCount: Int) -> Int {
        let indexBytes = keyCount * 12 + min(keyCount, IndexLayout.rootCount) * IndexLayout.pageBytes
        return keyCount * TableOfContents.entryBytes + indexBytes + (1 << 20)
    }
}
