/// What is in a store, as far as headers, footers and the saved index's header tell:
/// no record of a sealed segment is read.
package struct StoreInformation: Sendable {
    package struct Log: Equatable, Sendable {
        package var number: Int
        package var segmentCount: Int
        /// Of the last commit.
        package var lastCommit: UInt64
    }

    package let superblock: Superblock
    package let datafileBytes: Int
    /// The path of the block device that is the datafile.
    package let device: String?
    package private(set) var segments = CheckReport.Counts()
    /// Records of all segments, dead ones among them.
    package private(set) var recordCount = 0
    /// What these records, their commits' directories and the padding take.
    package private(set) var recordBytes = 0
    /// Nil where no saved index belongs to the store's state.
    package let keyCount: Int?
    package private(set) var logs: [Log] = []
    package let notes: [StoreNote]

    /// - Parameters:
    ///   - directory: of a store that no process has open.
    ///   - device: the path of the block device that is its datafile, where the directory does not know it.
    /// - Throws: ``StoreError`` where it cannot be examined.
    /// - Complexity: two reads per segment, and all bytes of segments that are not sealed.
    package init(directory: String, device: String? = nil) throws(StoreError) {
        let datafile = try Datafile(directory: directory, device: device, isWritable: false)
        self.device = datafile.isDevice ? datafile.path : nil
        let examination = try datafile.examine(acceptsLoss: true)
        superblock = examination.superblock
        notes = examination.notes
        do throws(SystemError) { datafileBytes = try datafile.file.byteCount() } catch { throw .system(error) }
        let identity = try datafile.savedIndexIdentity(superblock)
        let saved = try? IndexFile.readIdentity(in: directory)
        keyCount = saved.flatMap { $0.identity == identity ? $0.keyCount : nil }
        for segment in examination.segments { add(segment, examination) }
        logs = examination.logs.enumerated().map { number, log in
            Log(number: number, segmentCount: log.segments.count, lastCommit: log.chain.end.number)
        }.filter { $0.segmentCount > 0 || $0.lastCommit > 0 }
    }

    private mutating func add(_ segment: RecoveredSegment, _ examination: StoreExamination) {
        switch segment.state {
        case .free, .ready, .abandoned, .discarded: segments.freeSegments += 1
        case .missing, .unknown: segments.lostSegments += 1
        case .sealed(let footer):
            segments.sealedSegments += 1
            recordCount += Int(footer.entryCount)
            recordBytes += Int(footer.recordsEnd) - DatafileLayout.blockBytes
        case .unsealed:
            segments.openSegments += 1
            recordCount += examination.acceptedCommits(of: segment).reduce(segment.records.count) { $0 + $1.entries.count }
            recordBytes += examination.acceptedEnd(of: segment) - DatafileLayout.blockBytes
        }
    }

    /// For people.
    package var lines: [String] {
        let layout = superblock.layout
        var lines = [
            "store: \(superblock.storeID), format version \(Superblock.formatVersion), made \(Clock.text(wallMilliseconds: superblock.creationMilliseconds))",
            "state: " + (superblock.state == .closed ? "closed" : "not closed in order, or open")
                + ", opened for writing \(superblock.openCounter) times",
            "datafile: \(device.map { "\($0), " } ?? "")\(datafileBytes) bytes; segments of \(layout.segmentBytes) bytes, granule \(layout.granuleBytes) bytes",
            "segments: \(segments.segmentText)",
            "records: \(recordCount), with directories and padding \(recordBytes) bytes",
            keyCount.map { "keys: \($0); \(max(0, recordCount - $0)) records are dead or deletes" }
                ?? "keys: not known, since there is no saved index of this state",
        ]
        lines += logs.map { "log \($0.number): \($0.segmentCount) segments, last commit \($0.lastCommit)" }
        lines += notes.map { ($0.severity == .notice ? "note: " : "damage: ") + "\($0)" }
        return lines
    }
}
