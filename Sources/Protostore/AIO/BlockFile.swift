/// A file as it is read and written outside of the data path, where waiting is
/// fine: creating and opening a store, recovery, superblocks, growth.
///
/// The seam beside ``BlockDevice``, so that opening and recovering run unchanged
/// over a simulated disk: ``FileDescriptor`` and ``SimulatedMedia`` conform. Every
/// call may wait for the disk.
package protocol BlockFile: ~Copyable {
    /// Offsets, lengths and memory addresses must be multiples of this many bytes.
    /// It may be asked of the system: keep it.
    var alignment: Int { get }

    /// The size now, which after a failed or unsynchronized growth may not be that
    /// of the next open.
    func byteCount() throws(SystemError) -> Int

    /// Reads until `buffer` is full or the file ends.
    /// - Returns: the number of bytes read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int

    /// Writes all of `buffer`. After a failure any part of it may have been written.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(SystemError)

    /// All that was written and grown before is on stable storage when this
    /// returns. A failure is final: data may be gone, and a second call would
    /// report success.
    func synchronize() throws(SystemError)

    /// Extends the file to `byteCount` bytes (nothing happens where it is as large
    /// already). The new part is zeros that are allocated and written, so that
    /// overwriting them changes no metadata of the file system. Durable only after
    /// ``synchronize()``.
    /// - Throws: ENOSPC, EDQUOT, EFBIG or EIO; the file has its old size then.
    func grow(to byteCount: Int) throws(SystemError)

    /// Gives the space of whole blocks back where the file can have holes; what they held is
    /// zeros then, or as it was: nobody may count on either. Durable after ``synchronize()``.
    func giveBack(_ range: Range<Int>) throws(SystemError)

    /// Cuts the file off at `byteCount` bytes, if it is longer and can be shorter. A crash may
    /// bring the end back.
    func shrink(to byteCount: Int) throws(SystemError)

    /// Reads many ranges, many at a time, and hands each one over as it comes.
    /// - Parameters:
    ///   - count: ranges 0 ..< count are read.
    ///   - bufferBytes: the largest range.
    ///   - depth: how many at a time, each with a buffer of its own.
    ///   - range: which bytes of the file; aligned.
    ///   - body: gets the number of the range and its bytes, nil where they could
    ///     not be read in full.
    func blockingReadEach(
        count: Int, bufferBytes: Int, depth: Int, range: (Int) -> Range<Int>,
        _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(SystemError)
}
