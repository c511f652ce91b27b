extension IndexStorage where Memory: ~Copyable {
    /// Writes the index to `directory`/protostore.index, in one step: a file
    /// that was there is replaced when the new one is on stable storage.
    ///
    /// No partition may be in use meanwhile by another thread; reservations
    /// are not saved.
    /// - Parameters:
    ///   - directory: path of the datafile's directory.
    ///   - identity: what `load` compares.
    ///   - namespaces: whose keys are counted.
    /// - Complexity: O(bytes of the regions).
    package func save(
        to directory: String, identity: IndexIdentity, namespaces: DatabaseNamespaces = DatabaseNamespaces()
    ) throws(IndexFileError) {
        let path = "\(directory)/\(IndexFile.name)"
        let temporary = "\(directory)/\(IndexFile.temporaryName)"
        do throws(SystemError) {
            try write(to: temporary, identity, namespaces)
            Failpoint.reached(.afterIndexWrite)
            try Directory.renameFile(temporary, to: path)
            try Directory.synchronize(directory)
        } catch {
            try? Directory.removeFile(temporary)
            throw .system(error)
        }
    }

    private func write(to path: String, _ identity: IndexIdentity, _ namespaces: DatabaseNamespaces) throws(SystemError) {
        let file = try FileDescriptor.open(path, [.write, .create, .truncate, .noFollow])
        let regions = regionsInOrder()
        let table = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: regions.count * 2)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: IndexLayout.windowBytes, alignment: 8)
        defer {
            table.deallocate()
            buffer.deallocate()
        }
        var header = IndexFileHeader(
            identity: identity, keys: 0, regions: UInt64(regions.count), pages: 0, tableChecksum: 0)
        header.namespaces = namespaces
        header.keyCounts = namespaces.all.map { UInt64(max(0, keyCount(ofNamespace: $0))) }
        var offset = IndexFile.pagesOffset(regions: regions.count)
        for (number, (root, descriptor)) in regions.enumerated() {
            let pages = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(descriptor.pages * IndexLayout.pageBytes)])
            let used = copyRecords(of: descriptor, to: pages)
            let line = IndexFileRegion(root: root, depth: descriptor.depth, pages: descriptor.pages, used: used)
            table[number * 2] = line.word.littleEndian
            table[number * 2 + 1] = line.checksum(of: UnsafeRawBufferPointer(pages)).littleEndian
            try file.write(UnsafeRawBufferPointer(pages), at: offset)
            offset += pages.count
            header.keys += UInt64(used)
            header.pages += UInt64(descriptor.pages)
        }
        try file.write(UnsafeRawBufferPointer(table), at: IndexFile.headerBytes)
        header.tableChecksum = XXH3.hash64(UnsafeRawBufferPointer(table), seed: 0)
        let page = UnsafeMutableRawBufferPointer(rebasing: buffer[..<IndexFile.headerBytes])
        header.encode(into: page)
        try file.write(UnsafeRawBufferPointer(page), at: 0)
        try file.truncate(byteCount: offset)
        try file.synchronize()
    }

    private func regionsInOrder() -> [(root: Int, RegionDescriptor)] {
        var regions: [(root: Int, RegionDescriptor)] = []
        for root in 0..<IndexLayout.rootCount {
            var position = IndexPosition(root: root, tag: 0)
            while position.root == root {
                let index = Int(position.tag)
                let descriptor = descriptor(root: root, index: index)
                guard descriptor.isPresent else { break }
                regions.append((root, descriptor))
                position = .end(root: root, index: index, depth: descriptor.depth)
            }
        }
        return regions
    }

    /// Copies the pages of a region without its reservations, in the byte order of the file.
    /// - Returns: the slots in use.
    private func copyRecords(of descriptor: RegionDescriptor, to pages: UnsafeMutableRawBufferPointer) -> Int {
        let region = region(descriptor)
        var used = 0
        for position in 0..<region.slotCount {
            let slot = region.slot(at: position)
            let word = slot.isRecord ? slot.rawValue : 0
            used += word == 0 ? 0 : 1
            pages.storeBytes(of: word.littleEndian, toByteOffset: position * 8, as: UInt64.self)
        }
        return used
    }
}
