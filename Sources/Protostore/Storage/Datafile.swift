/// An open datafile: checked, locked against other processes, and with the use of
/// every segment known.
package final class Datafile: Sendable {
    package static let name = "protostore.data"

    package let path: String
    package let file: FileDescriptor
    package let superblock: Superblock
    package let segments: SegmentTable
    /// Segments that the store has, damaged and missing ones included.
    package var segmentCount: Int { Int(superblock.segmentCount) }
    /// Segments whose header could not be read or is damaged: nothing in them can
    /// be verified, so nothing in them is served.
    package let damagedSegments: [Int]

    /// Opens `directory`'s datafile for reading, past the page cache.
    ///
    /// Costs one read per segment, many at a time.
    package init(directory: String) throws(StoreError) {
        path = "\(directory)/\(Self.name)"
        file = try Self.open(path, directory)
        superblock = try Self.readSuperblock(of: file, path)
        do throws(SystemError) {
            (segments, damagedSegments) = try Self.readSegmentHeaders(of: file, superblock)
        } catch {
            throw .system(error)
        }
    }

    private static func open(_ path: String, _ directory: String) throws(StoreError) -> FileDescriptor {
        guard Directory.fileExists(path) else { throw .notAStore(path, "there is no such file") }
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, .direct)
            if try file.tryLockExclusively() { return file }
        } catch {
            throw .system(error)
        }
        throw .inUse(directory)
    }

    /// Which saved index belongs to this state of the store.
    package func indexIdentity() throws(SystemError) -> IndexIdentity {
        try IndexIdentity(superblock, datafile: file)
    }

    /// The valid copy of the highest generation. One that this program may not open is
    /// the newer one, whatever the other says: its writer stopped between the two.
    private static func readSuperblock(
        of file: borrowing FileDescriptor, _ path: String
    ) throws(StoreError) -> Superblock {
        var best: Superblock?
        var failure = Superblock.DecodeError.notAStore
        for offset in DatafileLayout.superblockOffsets {
            do throws(Superblock.DecodeError) {
                let copy = try readCopy(of: file, at: offset)
                if copy.generation > best?.generation ?? 0 { best = copy }
            } catch {
                if error != .notAStore { failure = error }
            }
        }
        if failure == .notAStore, let best { return best }
        throw .undecodable(path, failure)
    }

    private static func readCopy(
        of file: borrowing FileDescriptor, at offset: Int
    ) throws(Superblock.DecodeError) -> Superblock {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Superblock.byteCount, alignment: 4096)
        defer { block.deallocate() }
        guard let count = try? file.read(into: block, at: offset), count == block.count else { throw .notAStore }
        return try Superblock.decode(UnsafeRawBufferPointer(block), copyAt: offset)
    }

    private static func readSegmentHeaders(
        of file: borrowing FileDescriptor, _ superblock: Superblock
    ) throws(SystemError) -> (SegmentTable, [Int]) {
        let layout = superblock.layout
        let present = layout.segmentCount(byteCount: try file.byteCount())
        let table = try SegmentTable(layout: layout)
        let segmentCount = Int(clamping: superblock.segmentCount)
        var damaged = Array(min(present, segmentCount)..<segmentCount)
        var reader = try BatchReader(file: file, bufferBytes: DatafileLayout.blockBytes, depth: 128)
        try reader.blockingRead(
            count: min(present, segmentCount),
            range: { layout.segmentOffset($0)..<(layout.segmentOffset($0) + DatafileLayout.blockBytes) }
        ) { segment, block in
            let header = block.flatMap { SegmentHeader($0, segmentOffset: layout.segmentOffset(segment)) }
            if let header, header.segment == UInt64(segment), header.storeID == superblock.storeID {
                table[segment] = header.use
            } else {
                damaged.append(segment)
            }
        }
        return (table, damaged.sorted())
    }
}

/// Why a directory cannot be opened as a store.
package enum StoreError: Error, Equatable, CustomStringConvertible {
    case notAStore(String, String)
    case undecodable(String, Superblock.DecodeError)
    case inUse(String)
    /// Without index, and with so many segments of which it is not known what they held.
    case lossy(String, segments: Int, of: Int)
    /// With what is lost.
    case losses(String, [StoreNote])
    /// Behind the end of a log, at this byte of the datafile.
    case unreadable(String, offset: Int)
    /// Somebody wanted it to stop.
    case stopped
    case system(SystemError)
    case index(String)
    /// The path of the index's memory.
    case indexInUse(String)

    package var description: String {
        switch self {
        case .notAStore(let path, let reason):
            "\(path) is not a store: \(reason). mk_data --path makes one."
        case .undecodable(let path, .notAStore):
            "\(path) is not a store: neither copy of its superblock is valid. If mk_data was interrupted, run it again."
        case .undecodable(let path, .newerVersion(let version)):
            "\(path) has format version \(version); this program reads version \(Superblock.formatVersion). "
                + "Use the release that wrote it, or a newer one."
        case .undecodable(let path, .unknownFeatures(let bits)):
            "\(path) uses features that this program does not know (bits 0x\(String(bits, radix: 16))). "
                + "Use the release that wrote it, or a newer one."
        case .inUse(let directory):
            "\(directory) is open in another process; a store has one server at a time."
        case .lossy(let path, let segments, let count):
            "\(path): \(segments) of \(count) segments are damaged or cut off, and there is no saved index: which keys "
                + "they held is not known. Restore the file, or serve the rest with --accept-loss: keys of those "
                + "segments will be answered as missing."
        case .losses(let path, let notes):
            "\(path) has lost what was acknowledged: \(notes.map(\.description).joined(separator: "; ")). Restore the "
                + "file, or serve the rest with --accept-loss: keys that only what is lost held will be answered as "
                + "missing, or with older values."
        case .unreadable(let path, let offset):
            "\(path): the disk does not give the block at byte \(offset), where a log was written last: it may hold "
                + "what was acknowledged. Try again, copy the file to a disk that works, or give up what is there "
                + "with --accept-loss."
        case .stopped: "stopped while the store was opened"
        case .system(let error): "\(error)"
        case .index(let reason): "the index cannot be set up: \(reason)"
        case .indexInUse(let path):
            "the index cannot be set up: \(path) is in use by another process, which may serve a copy of this store. "
                + "--index-path chooses another directory for it."
        }
    }
}
