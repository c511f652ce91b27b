/// Which keys go into which segment: known from the sizes of their values
/// before anything is written. 8 bytes of memory a segment.
struct StorePlan: Sendable {
    let layout: DatafileLayout
    /// Bytes of all values.
    let valueBytes: Int
    /// The first key of each segment, and at the end the number of keys.
    private let firstKeys: [Int]

    /// O(keys), about 2 ns each.
    /// - Parameters:
    ///   - fileSystemBytes: the size of the file system, which granule and segments must let the store grow to.
    ///   - freeBytes: what all files together may take; without the datafile, where that is a device.
    ///   - deviceBytes: of that device.
    /// - Returns: nil where they would take more.
    init?<Source: RecordSource>(
        _ source: Source, segmentBytes: Int?, fileSystemBytes: Int, freeBytes: Int, deviceBytes: Int? = nil
    ) {
        let reach = max(fileSystemBytes, Self.estimatedByteCount(source, segmentBytes: segmentBytes))
        let granuleBytes = DatafileLayout.granuleBytes(reaching: reach)
        let segmentBytes = segmentBytes ?? DatafileLayout.segmentBytes(reaching: reach)
        guard let layout = DatafileLayout(segmentBytes: segmentBytes, granuleBytes: granuleBytes) else {
            preconditionFailure("a segment has 64 KiB to 1 GiB, a power of two")
        }
        let leftBytes = freeBytes - Self.companionBytes(source.keyCount)
        guard leftBytes >= 0 else { return nil }
        let datafileBytesMax = min(deviceBytes ?? leftBytes, layout.byteCountMax)
        let segmentCountMax = layout.segmentCount(byteCount: datafileBytesMax)
        var firstKeys = [0]
        var space = SegmentSpace(layout)
        var valueBytes = 0
        for key in 0..<source.keyCount {
            let byteCount = source.valueBytes(of: key)
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
        self.valueBytes = valueBytes
        self.firstKeys = firstKeys + [source.keyCount]
    }

    /// The most keys that go into one segment.
    var segmentKeysMax: Int { (0..<segmentCount).reduce(0) { max($0, keys(inSegment: $1).count) } }

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

    /// Bytes of the record of a key, without padding.
    @inline(__always)
    static func recordBytes(_ valueBytes: Int) -> Int {
        Record.headerBytes + GeneratedKeys.keyBytes + valueBytes
    }

    /// About what all files of the store will take, in bytes: for a message, and for the granule.
    static func estimatedByteCount<Source: RecordSource>(_ source: Source, segmentBytes: Int?) -> Int {
        let overheadBytes = recordBytes(0) + DatafileLayout.granuleBytesMin / 2 + SummaryEntry.byteCount
        let dataBytes = source.estimatedValueBytes + source.keyCount * overheadBytes
        let segmentBytes = segmentBytes ?? DatafileLayout.segmentBytesDefault
        let segmentCount = dataBytes / (segmentBytes - 2 * DatafileLayout.blockBytes) + 1
        return DatafileLayout.firstSegmentOffset + segmentCount * segmentBytes + companionBytes(source.keyCount)
    }

    /// Bytes of the toc files and, at most, of the saved index: 12 a key, but
    /// at least a page for each root that has keys.
    private static func companionBytes(_ keyCount: Int) -> Int {
        let indexBytes = keyCount * 12 + min(keyCount, IndexLayout.rootCount) * IndexLayout.pageBytes
        return keyCount * TableOfContents.entryBytes + indexBytes + (1 << 20)
    }
}
