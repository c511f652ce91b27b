/// Makes empty stores: a superblock, and no segments yet, so that no part of the segment
/// map counts.
///
/// A store is there from the moment that one copy of its superblock is, and not
/// before. What an interrupted creation leaves is a datafile that ends where its first
/// segment would begin, or before, of zeros but for a torn superblock: nobody's data
/// can be in it, so that the next one completes it.
package enum StoreCreation {
    /// Makes `directory` a store if it holds nothing of one. Its parent must be there.
    /// - Parameters:
    ///   - segmentBytes: a power of two, 64 KiB to 1 GiB; nil for the smallest, from 16 MiB on, of
    ///     which a store can have as many as the file system or the device has room for.
    ///   - device: the path of a block device that is to be the datafile.
    ///   - overwritesDevice: whether it may hold something that is no store.
    /// - Returns: whether it did; false where there is a datafile to be opened.
    /// - Throws: `.notAStore` where there are files of a store, but no datafile.
    package static func createIfMissing(
        in directory: String, segmentBytes: Int?, device: String? = nil, overwritesDevice: Bool = false
    ) throws -> Bool {
        guard try mayCreate(in: directory, device: device) else { return false }
        let datafilePath = device ?? "\(directory)/\(Datafile.name)"
        let claim: StoreDirectory
        do {
            claim = try StoreDirectory(
                claiming: directory, replacing: overwritesDevice ? .whatIsNoStore : .nothing, device: device)
        } catch StoreBuildError.inUse {
            throw StoreError.inUse(directory)
        } catch StoreBuildError.exists(let path) where path != datafilePath {
            throw StoreError.notAStore(datafilePath, "there is no such file, but \(path) is there")
        } catch StoreBuildError.exists {
            return false
        } catch let error as DeviceError {
            throw StoreError.device(error)
        }
        let reachBytes = try claim.space().reachBytes
        let granuleBytes = DatafileLayout.granuleBytes(reaching: reachBytes)
        let segmentBytes = segmentBytes ?? DatafileLayout.segmentBytes(reaching: reachBytes)
        guard let layout = DatafileLayout(segmentBytes: segmentBytes, granuleBytes: granuleBytes) else {
            preconditionFailure("a segment has 64 KiB to 1 GiB, a power of two")
        }
        try claim.requireRoom(for: layout)
        let superblock = superblock(layout)
        try SystemError.naming(claim.datafilePath) { () throws(SystemError) in
            if claim.isDevice { try DeviceDatafile.clear(claim.datafile) }
            try write(superblock, to: claim.datafile)
        }
        // A kill before leaves a store that the next start, with the same device, takes.
        try claim.noteDevice(superblock.storeID)
        try Directory.synchronize(directory)
        try Directory.synchronize("\(directory)/..")
        return true
    }

    /// A new store's, without segments.
    package static func superblock(_ layout: DatafileLayout) -> Superblock {
        Superblock(
            storeID: .random(), layout: layout, hashSeed: .random(in: .min ... .max),
            creationMilliseconds: Clock.wallMilliseconds())
    }

    /// Makes an empty file a store.
    package static func write<File: BlockFile & ~Copyable>(
        _ superblock: Superblock, to datafile: borrowing File
    ) throws(SystemError) {
        try datafile.grow(to: DatafileLayout.firstSegmentOffset)
        Failpoint.reached(.afterCreationGrow)
        try datafile.synchronize()
        try superblock.write(to: datafile)
    }

    /// False where the datafile has segments, or is for mk_data to complete.
    private static func mayCreate(in directory: String, device: String?) throws -> Bool {
        if Directory.fileExists("\(directory)/\(StoreDirectory.markName)") { return false }
        // The store of a note is to be opened, even where its device looks empty: it may be the wrong one.
        if Directory.fileExists("\(directory)/\(DeviceNote.name)") { return false }
        let path = "\(directory)/\(Datafile.name)"
        guard Directory.fileExists(path) else { return true }
        if device != nil { return false }
        return try isUnfinished(FileDescriptor.open(path, .direct))
    }

    /// Whether a datafile may be what an interrupted creation left. Of one that is
    /// complete the superblock says more.
    static func isUnfinished<File: BlockFile & ~Copyable>(_ datafile: borrowing File) throws(SystemError) -> Bool {
        let byteCount = try datafile.byteCount()
        guard byteCount <= DatafileLayout.firstSegmentOffset else { return false }
        let memory = try MemoryMapping(anonymous: DatafileLayout.firstSegmentOffset)
        _ = try datafile.read(into: memory.bytes, at: 0)
        if byteCount == DatafileLayout.firstSegmentOffset {
            for offset in DatafileLayout.superblockOffsets {
                (memory.base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: Superblock.byteCount)
            }
        }
        let words = UnsafeRawBufferPointer(memory.bytes)
        return stride(from: 0, to: words.count, by: 8).allSatisfy { words.get($0, as: UInt64.self) == 0 }
    }
}
