/// Makes a whole store of keys and values that are generated, or imported from a
/// directory of the original protostore: what `mk_data` does.
///
/// DESIGN. Everything but the clock, the store's id and its hash seed is a pure
/// function of the source (``RecordSource``): key i, the size of value i, and, by a pass
/// over the sizes alone, which keys stand in which segment (``StorePlan``). So a segment is
/// a piece of work that depends on no other. A few threads (``StoreBuildWorker``) each take
/// the next one, fill it in memory, write it with one call, add its keys to the index, and
/// go on; while one waits for the disk, another fills. No queue, no copy.
///
/// Keys are generated in ascending order, so each segment's part of the sorted
/// `protostore.toc.*` files is one piece, too. Imported ones that come in another order
/// keep it, so that a source that can be read from front to back is; their entries in
/// the toc files go each to its place (``KeyRanks``).
///
/// ```
///   claim ------ plan ------ mark, prepare ----- segments ----- seal ----- release
///   lock,        CPU only,   remove what was,    workers        flush,     remove the
///   refuse       does it     reserve space                      index,     mark
///                fit?                                           superblock
/// ```
///
/// The datafile is a store from the moment a superblock is in it and not before.
/// Until then the directory carries a mark (``StoreDirectory``), by which a later
/// run knows what an interrupted one left behind.
///
/// MEMORY. The index (about ten bytes a key), 8 bytes a segment, and for each
/// worker one segment, its summary and its pieces of the three toc files: at
/// most 28 MB where segments have 16 MiB, whatever the sizes of the values. For imported
/// keys that are not in order, 4 bytes a key more, and 8 before the index is begun.
package enum StoreBuilder {
    /// Where a store is built, and how.
    package struct Destination: Sendable {
        /// The directory to build in; made if its parent is there.
        package var path: String
        /// The path of a block device that is to be the datafile.
        package var device: String?
        /// Replace a store that is there, or whatever the device holds.
        package var force = false
        /// A power of two, 64 KiB to 1 GiB; nil for the smallest, from 16 MiB on, of which
        /// a store can have as many as the file system has room for.
        package var segmentBytes: Int?
        /// Free bytes to count with instead of the file system's.
        package var freeBytes: Int?

        package init(path: String) {
            self.path = path
        }
    }

    /// A store of generated keys and values, and its destination.
    @dynamicMemberLookup
    package struct Options: Sendable {
        package static let valueBytesMax = 65_535
        /// As many records as locations can tell apart.
        package static let keyCountMax = 1 << DatafileLayout.locationBits

        /// 1...``keyCountMax``.
        package var keyCount: Int
        /// Sizes are uniform in this range, 0...``valueBytesMax``.
        package var valueBytes: ClosedRange<Int>
        /// The same seed, count and sizes give the same keys and values.
        package var seed: UInt64
        package var destination: Destination

        package init(keyCount: Int, valueBytes: ClosedRange<Int>, path: String, seed: UInt64) {
            precondition((1...Self.keyCountMax).contains(keyCount))
            precondition(valueBytes.lowerBound >= 0 && valueBytes.upperBound <= Self.valueBytesMax)
            self.keyCount = keyCount
            self.valueBytes = valueBytes
            self.seed = seed
            destination = Destination(path: path)
        }

        package subscript<Value>(dynamicMember member: WritableKeyPath<Destination, Value>) -> Value {
            get { destination[keyPath: member] }
            set { destination[keyPath: member] = newValue }
        }
    }

    package struct Progress: Sendable {
        /// Whether nothing is written yet: `keys` are those whose entries have been looked at.
        package var isVerifying = false
        /// Keys whose records are written.
        package var keys: Int
        package var keyCount: Int
        /// Bytes of segments that are written.
        package var bytes: Int
        package var byteCount: Int

        init(keys: Int, keyCount: Int, bytes: Int, byteCount: Int) {
            self.keys = keys
            self.keyCount = keyCount
            self.bytes = bytes
            self.byteCount = byteCount
        }

        init(verifying keys: Int, of keyCount: Int) {
            self.init(keys: keys, keyCount: keyCount, bytes: 0, byteCount: keyCount)
            isVerifying = true
        }
    }

    package struct Report: Sendable {
        package var keyCount: Int
        /// Bytes of all values.
        package var valueBytes: Int
        /// Bytes of the datafile.
        package var datafileBytes: Int
        /// From the first look at the directory to the last flush.
        package var nanoseconds: UInt64
        /// Bytes of memory that the index takes.
        package var indexBytes: Int
    }

    /// Builds a store of generated keys and values. Takes as long as writing it does.
    /// - Parameter everyTick: called about ten times a second on the calling
    ///   thread; the build stops where it returns false.
    /// - Throws: ``StoreBuildError``, `IndexError`, `IndexFileError` or `SystemError`. Where a store
    ///   was to be replaced, it is still whole or all of it is gone; nothing of
    ///   the new one is left.
    package static func build(_ options: Options, everyTick: (Progress) -> Bool) throws -> Report {
        try build(
            GeneratedRecords(options), options.destination, started: Clock.monotonicNanoseconds(), everyTick: everyTick)
    }

    /// Builds a store of the keys and values that the original's mk_data wrote to `directory`.
    /// Nothing is written before they are verified.
    /// - Throws: besides, `ImportError`.
    package static func build(
        importing directory: String, _ destination: Destination, everyTick: (Progress) -> Bool
    ) throws -> Report {
        let started = Clock.monotonicNanoseconds()
        try ImportedRecords.requireDifference(directory, destination.path)
        let records = try ImportedRecords(OriginalFiles(directory), everyTick: everyTick)
        return try build(records, destination, started: started, everyTick: everyTick)
    }

    private static func build<Source: RecordSource>(
        _ source: Source, _ destination: Destination, started: UInt64, everyTick: (Progress) -> Bool
    ) throws -> Report {
        let directory = try StoreDirectory(
            claiming: destination.path, replacing: destination.force ? .everything : .nothing, device: destination.device)
        let plan: StorePlan
        do {
            plan = try planned(source, destination, directory)
            // The last moment at which stopping leaves everything as it was.
            guard everyTick(plan.progress(keys: 0, segments: 0)) else { throw StoreBuildError.stopped }
            try directory.mark()
        } catch {
            directory.unclaim()
            throw error
        }
        do {
            let job = try StoreBuildJob(source, plan, directory)
            try job.writeSegments(everyTick)
            try job.seal(everyTick)
            try directory.release()
            return Report(
                keyCount: source.keyCount, valueBytes: plan.valueBytes, datafileBytes: plan.datafileBytes,
                nanoseconds: Clock.monotonicNanoseconds() - started, indexBytes: job.index.byteCount)
        } catch {
            directory.abandon()
            throw error
        }
    }

    /// Plans the build and checks that it fits into the file system.
    private static func planned<Source: RecordSource>(
        _ source: Source, _ destination: Destination, _ directory: StoreDirectory
    ) throws -> StorePlan {
        let space = try directory.space()
        let free = destination.freeBytes ?? space.freeBytes
        let segmentBytes = destination.segmentBytes
        guard
            let plan = StorePlan(
                source, segmentBytes: segmentBytes, fileSystemBytes: space.reachBytes, freeBytes: free,
                deviceBytes: space.deviceBytes)
        else {
            let needed = StorePlan.estimatedByteCount(source, segmentBytes: segmentBytes)
            throw StoreBuildError.noSpace(
                destination.device ?? destination.path, needed: needed, free: min(free, space.deviceBytes ?? free))
        }
        return plan
    }
}

/// Why a store was not built, beside failing system calls. Each describes itself in one line.
package enum StoreBuildError: Error, Equatable, CustomStringConvertible {
    /// The path of a file that the build would destroy.
    case exists(String)
    /// The path of a datafile that another process has open.
    case inUse(String)
    /// A directory, and bytes.
    case noSpace(String, needed: Int, free: Int)
    /// `everyTick` returned false.
    case stopped
    /// What is imported is not what it was when it was verified.
    case sourceChanged

    package var description: String {
        switch self {
        case .exists(let path): "\(path) exists already; --force replaces it"
        case .inUse(let path): "\(path) is in use by another process"
        case .noSpace(let path, let needed, let free):
            "\(path): not enough space: about \(needed) bytes are needed, \(free) bytes are free"
        case .stopped: "stopped before the end"
        case .sourceChanged: "the directory to import was changed while it was read: import while nobody changes it"
        }
    }
}
