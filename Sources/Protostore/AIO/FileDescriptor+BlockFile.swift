import Glibc

/// A real file, best opened with O_DIRECT: reading and writing stand in System.
extension FileDescriptor: BlockFile {
    package var alignment: Int { directIOAlignment() }

    private static let zerosBytes = 1 << 20

    package func grow(to byteCount: Int) throws(SystemError) {
        let oldByteCount = try self.byteCount()
        guard byteCount > oldByteCount else { return }
        // A device has the size that it has.
        if try identity().kind == .blockDevice { throw SystemError("grow", code: ENOSPC) }
        do throws(SystemError) {
            try allocateIfSupported(oldByteCount..<byteCount)
            try writeZeros(oldByteCount..<byteCount)
        } catch {
            // Gives back what was allocated. Should this fail too, the first error tells more.
            try? truncate(byteCount: oldByteCount)
            throw error
        }
    }

    /// In one piece where the file system can, and all or nothing.
    private func allocateIfSupported(_ range: Range<Int>) throws(SystemError) {
        do throws(SystemError) {
            try allocate(offset: range.lowerBound, byteCount: range.count)
        } catch {
            guard error.code == EOPNOTSUPP || error.code == ENOSYS else { throw error }
        }
    }

    /// Allocated extents count as unwritten, and the first write into one goes
    /// through the file system's journal: these are the first writes.
    private func writeZeros(_ range: Range<Int>) throws(SystemError) {
        let zeros = try MemoryMapping(anonymous: min(range.count, Self.zerosBytes))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(range.upperBound - offset, zeros.byteCount)
            try write(UnsafeRawBufferPointer(start: zeros.base, count: count), at: offset)
            offset += count
        }
    }

    package func giveBack(_ range: Range<Int>) throws(SystemError) {
        do throws(SystemError) {
            try punchHole(offset: range.lowerBound, byteCount: range.count)
        } catch {
            guard error.code == EOPNOTSUPP || error.code == ENOSYS else { throw error }
        }
    }

    package func shrink(to byteCount: Int) throws(SystemError) {
        if try byteCount < self.byteCount() { try truncate(byteCount: byteCount) }
    }

    package func blockingReadEach(
        count: Int, bufferBytes: Int, depth: Int, range: (Int) -> Range<Int>,
        _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(SystemError) {
        guard count > 0 else { return }
        var reader = try BatchReader(file: self, bufferBytes: bufferBytes, depth: min(depth, count))
        try reader.blockingRead(count: count, range: range, body)
    }
}
