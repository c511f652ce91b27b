extension Datafile {
    /// Reads the footers of all segments, many at a time.
    /// - Returns: those that are valid and of the segment's use, and the segments that have none.
    func readFooters() throws(StoreError) -> (footers: [SegmentFooter], unsealed: [Int]) {
        let layout = superblock.layout
        var footers: [SegmentFooter] = []
        var unsealed: [Int] = []
        do throws(SystemError) {
            try file.blockingReadEach(
                count: segments.count, bufferBytes: DatafileLayout.blockBytes, depth: 128,
                range: { segment in
                    let end = layout.segmentOffset(segment) + layout.segmentBytes
                    return (end - DatafileLayout.blockBytes)..<end
                }
            ) { segment, block in
                let offset = layout.segmentOffset(segment)
                let footer = block.flatMap { SegmentFooter($0, segmentOffset: offset, layout: layout) }
                if let footer, footer.segment == UInt64(segment), footer.use == segments[segment] {
                    footers.append(footer)
                } else {
                    unsealed.append(segment)
                }
            }
        } catch {
            throw .system(error)
        }
        return (footers, unsealed)
    }
}
