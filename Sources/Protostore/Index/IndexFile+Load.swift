extension IndexFile {
    /// Of which state of which store `directory`'s saved index is, and how many keys it
    /// has. Verifies the file's header alone.
    package static func readIdentity(
        in directory: String
    ) throws(IndexFileError) -> (identity: IndexIdentity, keyCount: Int) {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try FileDescriptor.open("\(directory)/\(name)", .noFollow)
        } catch {
            throw .system(error)
        }
        let header = try readHeader(file)
        return (header.identity, Int(clamping: header.keys))
    }

    fileprivate static func readHeader(_ file: borrowing FileDescriptor) throws(IndexFileError) -> IndexFileHeader {
        let page = UnsafeMutableRawBufferPointer.allocate(byteCount: headerBytes, alignment: 8)
        defer { page.deallocate() }
        try readExactly(file, into: page, at: 0)
        return try IndexFileHeader(decoding: UnsafeRawBufferPointer(page))
    }

    fileprivate static func readExactly(
        _ file: borrowing FileDescriptor, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(IndexFileError) {
        let count: Int
        do throws(SystemError) { count = try file.read(into: buffer, at: offset) } catch { throw .system(error) }
        guard count == buffer.count else { throw .damaged("the file is too short") }
    }
}

extension IndexStorage where Memory: ~Copyable {
    /// Reads a saved index into empty memory. The regions go where they fit;
    /// the number of partitions need not be that of the time of saving.
    ///
    /// Trusts nothing that a checksum has not covered, and bounds every number
    /// from the file before it counts with it.
    /// - Parameters:
    ///   - directory: path of the datafile's directory.
    ///   - identity: what the file must have been saved with.
    /// - Throws: `.mismatch`, `.damaged`, `.version` where the file cannot be
    ///   used, `.system` where it cannot be read, `.index` where there is no
    ///   room. The memory is of no use then.
    /// - Complexity: O(bytes of the file), read once, in sequence.
    package static func load(
        from directory: String, identity: IndexIdentity, into memory: consuming Memory, partitionCount: Int,
        regionPagesMax: Int = IndexLayout.regionPagesMax
    ) throws(IndexFileError) -> IndexStorage {
        let storage: IndexStorage
        let file: FileDescriptor
        do throws(SystemError) {
            file = try FileDescriptor.open("\(directory)/\(IndexFile.name)", .noFollow)
        } catch {
            throw .system(error)
        }
        let header = try IndexFile.readHeader(file)
        guard header.identity == identity else { throw .mismatch(found: header.identity) }
        do throws(SystemError) {
            storage = try IndexStorage(memory, partitionCount: partitionCount, regionPagesMax: regionPagesMax)
        } catch {
            throw .index(.memory(error))
        }
        let regions = try storage.readTable(file, header)
        try storage.makeDirectory(regions)
        try storage.readRegions(regions, from: file, keys: header.keys)
        for (database, namespace) in header.namespaces.all.enumerated() {
            storage.addKeys(Int(clamping: header.keyCounts[database]), ofNamespace: namespace)
        }
        return storage
    }

    private func readTable(
        _ file: borrowing FileDescriptor, _ header: IndexFileHeader
    ) throws(IndexFileError) -> [IndexFileRegion] {
        guard header.regions <= windowCount, header.pages <= header.regions * UInt64(IndexLayout.regionPagesMax)
        else { throw .damaged("more regions than fit") }
        let count = Int(header.regions)
        let byteCount: Int
        do throws(SystemError) { byteCount = try file.byteCount() } catch { throw .system(error) }
        guard byteCount == IndexFile.pagesOffset(regions: count) + Int(header.pages) * IndexLayout.pageBytes else {
            throw .damaged("the file has the wrong length")
        }
        let table = UnsafeMutableRawBufferPointer.allocate(
            byteCount: count * IndexFile.tableEntryBytes, alignment: 8)
        defer { table.deallocate() }
        try IndexFile.readExactly(file, into: table, at: IndexFile.headerBytes)
        guard XXH3.hash64(UnsafeRawBufferPointer(table), seed: 0) == header.tableChecksum else {
            throw .damaged("region table")
        }
        let regions = (0..<count).map { line in
            IndexFileRegion(
                word: UInt64(littleEndian: table.load(fromByteOffset: line * 16, as: UInt64.self)),
                checksum: UInt64(littleEndian: table.load(fromByteOffset: line * 16 + 8, as: UInt64.self)))
        }
        guard regions.reduce(0, { $0 + $1.pages }) == Int(header.pages) else { throw .damaged("number of pages") }
        return regions
    }

    /// Gives each region a window and a descriptor, of which `used` is what the table says.
    private func makeDirectory(_ regions: [IndexFileRegion]) throws(IndexFileError) {
        do throws(SystemError) {
            try allocateLevels(through: min(IndexLayout.depthMax, regions.reduce(0) { max($0, $1.depth) }))
        } catch {
            throw .index(.memory(error))
        }
        var position = IndexPosition(rawValue: 0)
        for (window, region) in regions.enumerated() {
            if position.tag == 0 { position = max(position, IndexPosition(root: region.root, tag: 0)) }
            guard
                region.reservedBits == 0, region.root == position.root, region.depth <= IndexLayout.depthMax,
                region.pages >= 1, region.pages <= IndexLayout.regionPagesMax,
                region.used <= region.pages * IndexLayout.pageSlots,
                position.tag < 1 << UInt64(region.depth), claim(window: window)
            else { throw .damaged("region \(window) does not follow the one before") }
            add(region, window: window, index: Int(position.tag))
            position = .end(root: region.root, index: Int(position.tag), depth: region.depth)
        }
        guard position.tag == 0 else { throw .damaged("the last root is not complete") }
    }

    private func add(_ region: IndexFileRegion, window: Int, index: Int) {
        let rootDepth = max(descriptor(root: region.root, index: 0).rootDepth, region.depth)
        let new = RegionDescriptor(window: window, pages: region.pages, depth: region.depth, used: region.used)
        entry(root: region.root, index: index).pointee = new.rawValue
        let first = entry(root: region.root, index: 0)
        first.pointee = RegionDescriptor(rawValue: first.pointee).with(rootDepth: rootDepth).rawValue
    }

    private func readRegions(
        _ regions: [IndexFileRegion], from file: borrowing FileDescriptor, keys: UInt64
    ) throws(IndexFileError) {
        var offset = IndexFile.pagesOffset(regions: regions.count)
        var sum = 0
        for (window, region) in regions.enumerated() {
            let byteCount = region.pages * IndexLayout.pageBytes
            let pages = UnsafeMutableRawBufferPointer(
                start: memory.base + IndexLayout.windowOffset(window), count: byteCount)
            do throws(SystemError) {
                try memory.allocate(offset: IndexLayout.windowOffset(window), byteCount: byteCount)
            } catch {
                throw .index(.memory(error))
            }
            try IndexFile.readExactly(file, into: pages, at: offset)
            guard region.checksum(of: UnsafeRawBufferPointer(pages)) == region.checksum else {
                throw .damaged("region \(window)")
            }
            guard Self.recordCount(inLittleEndian: pages) == region.used else {
                throw .damaged("region \(window) has other keys than it says")
            }
            offset += byteCount
            sum += region.used
        }
        guard UInt64(sum) == keys else { throw .damaged("number of keys") }
    }

    /// Brings slots into this machine's byte order and counts them.
    /// - Returns: -1 where one has no location.
    private static func recordCount(inLittleEndian pages: UnsafeMutableRawBufferPointer) -> Int {
        var used = 0
        var other = 0
        for word in pages.assumingMemoryBound(to: UInt64.self).indices {
            let offset = word &* 8  // < 128 Ki
            let value = UInt64(littleEndian: pages.load(fromByteOffset: offset, as: UInt64.self))
            #if _endian(big)
                pages.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
            #endif
            used &+= value == 0 ? 0 : 1
            other |= value != 0 && value & IndexSlot.locationMask == 0 ? 1 : 0
        }
        return other == 0 ? used : -1
    }
}
