import var Glibc.EINVAL
import var Glibc.EIO
import var Glibc.ENOSPC

/// The disk as a file that is read and written at once: with the same faults, but
/// without delays.
extension SimulatedMedia: BlockFile {
    package var alignment: Int { Self.sectorBytes }

    package func byteCount() throws(SystemError) -> Int { sizeBytes }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        guard buffer.count > 0 else { return 0 }
        try check("pread", UnsafeRawPointer(buffer.baseAddress!), buffer.count, offset)
        let result = read(into: buffer.baseAddress!, offset: offset, byteCount: buffer.count, mayBeShort: false)
        guard result >= 0 else { throw failure("pread", CInt(-result)) }
        return result
    }

    package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        guard buffer.count > 0 else { return }
        try check("pwrite", buffer.baseAddress!, buffer.count, offset)
        var done = 0
        while done < buffer.count {
            let sectors = (offset + done) / Self.sectorBytes..<(offset + buffer.count) / Self.sectorBytes
            let run = SectorRun(copying: buffer.baseAddress! + done, sectors: sectors)
            let result = write(run, isDurable: false)
            guard result >= 0 else { throw failure("pwrite", CInt(-result)) }
            done += result
        }
    }

    package func synchronize() throws(SystemError) {
        let result = flush(upTo: lastNumber)
        guard result == 0 else { throw failure("fdatasync", CInt(-result)) }
    }

    package func grow(to byteCount: Int) throws(SystemError) {
        guard byteCount > sizeBytes else { return }
        if byteCount > capacityBytes || happens(faults.growNoSpace) {
            faultCounts.noSpaces += 1
            throw failure("fallocate", ENOSPC)
        }
        if happens(faults.writeError) {
            faultCounts.writeErrors += 1
            throw failure("pwrite", EIO)
        }
        // Beyond the end both images are zeros already.
        setSize(byteCount)
    }

    package func giveBack(_ range: Range<Int>) throws(SystemError) {
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: Self.sectorBytes)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        try write(UnsafeRawBufferPointer(zeros), at: range.lowerBound)
    }

    package func shrink(to byteCount: Int) throws(SystemError) {
        guard byteCount < sizeBytes else { return }
        cutOff(at: byteCount)
    }

    package func blockingReadEach(
        count: Int, bufferBytes: Int, depth: Int, range: (Int) -> Range<Int>,
        _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(SystemError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferBytes, alignment: 4096)
        defer { buffer.deallocate() }
        var pending = Array(0..<min(count, depth))
        var next = pending.count
        while !pending.isEmpty {
            pending.swapAt(Int.random(in: 0..<pending.count, using: &random), pending.count - 1)
            let index = pending.removeLast()
            if next < count {
                pending.append(next)
                next += 1
            }
            body(index, readWhole(range(index), into: buffer))
        }
    }

    private func readWhole(_ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer? {
        precondition(range.count <= buffer.count)
        guard range.lowerBound >= 0, (range.lowerBound | range.count) % Self.sectorBytes == 0 else { return nil }
        let result = read(
            into: buffer.baseAddress!, offset: range.lowerBound, byteCount: range.count, mayBeShort: true)
        return result == range.count ? UnsafeRawBufferPointer(start: buffer.baseAddress!, count: result) : nil
    }

    /// As direct I/O on a real file.
    private func check(
        _ call: StaticString, _ address: UnsafeRawPointer, _ byteCount: Int, _ offset: Int
    ) throws(SystemError) {
        let isAligned = (Int(bitPattern: address) | byteCount | offset) % Self.sectorBytes == 0
        guard isAligned, offset >= 0 else { throw failure(call, EINVAL) }
    }

    private func failure(_ call: StaticString, _ code: CInt) -> SystemError {
        SystemError(call, code: code, on: "the simulated disk")
    }
}
