/// Both copies of the superblock in a datafile.
extension Superblock {
    /// Writes the copies one after the other, each flushed before the next, so
    /// that one of them is whole at any moment.
    /// - Parameter datafile: open for writing, direct or not.
    /// - Throws: the error of the write or flush, which must not be tried again.
    package func write(to datafile: borrowing FileDescriptor) throws(SystemError) {
        let block = try MemoryMapping(anonymous: Self.byteCount)
        for offset in DatafileLayout.superblockOffsets {
            encode(into: block.bytes, copyAt: offset)
            try datafile.write(UnsafeRawBufferPointer(block.bytes), at: offset)
            try datafile.synchronize()
        }
    }

    /// Whether there is a copy of any version: a store, even if not one for us.
    static func isPresent(in datafile: borrowing FileDescriptor) throws(SystemError) -> Bool {
        let block = try MemoryMapping(anonymous: byteCount)
        for offset in DatafileLayout.superblockOffsets {
            guard try datafile.read(into: block.bytes, at: offset) == byteCount else { continue }
            do {
                _ = try decode(UnsafeRawBufferPointer(block.bytes), copyAt: offset)
                return true
            } catch .notAStore {
                continue
            } catch {
                return true
            }
        }
        return false
    }
}
