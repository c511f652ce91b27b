/// Both copies of the superblock in a datafile.
extension Superblock {
    /// What the two copies say together.
    package struct Copies: Sendable {
        /// That of the valid copy of the highest generation.
        package var superblock: Superblock
        /// Which copy is the other one: overwriting it leaves one whole.
        package var spare: Int
        /// Copies that could not be read, or hold nothing valid.
        package var damaged: [Int]
    }

    /// Reads both copies. One that this program may not open is the newer one,
    /// whatever the other says: its writer stopped between the two.
    /// - Throws: what is wrong with the newer copy; where neither is valid `.unreadable` or
    ///   `.notAStore`: only what was read can be called no store.
    package static func readCopies<File: BlockFile & ~Copyable>(
        of datafile: borrowing File
    ) throws(DecodeError) -> Copies {
        var best: Copies?
        var damaged: [Int] = []
        var failure = DecodeError.notAStore
        for (number, offset) in DatafileLayout.superblockOffsets.enumerated() {
            do throws(DecodeError) {
                let superblock = try readCopy(of: datafile, at: offset)
                if superblock.generation > best?.superblock.generation ?? 0 {
                    best = Copies(superblock: superblock, spare: 1 - number, damaged: [])
                }
            } catch .notAStore {
                damaged.append(number)
            } catch .unreadable(let error) {
                damaged.append(number)
                failure = .unreadable(error)
            }
        }
        guard var best else { throw failure }
        best.damaged = damaged
        return best
    }

    /// Reads twice before a copy counts as damaged: errors of reads may pass.
    private static func readCopy<File: BlockFile & ~Copyable>(
        of datafile: borrowing File, at offset: Int
    ) throws(DecodeError) -> Superblock {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: DatafileLayout.blockBytes)
        defer { block.deallocate() }
        var failure = DecodeError.notAStore
        for _ in 0..<2 {
            do throws(SystemError) {
                guard try datafile.read(into: block, at: offset) == byteCount else { continue }
            } catch {
                failure = .unreadable(error)
                continue
            }
            do throws(DecodeError) {
                return try decode(UnsafeRawBufferPointer(block), copyAt: offset)
            } catch .notAStore {
                failure = .notAStore
            }
        }
        throw failure
    }

    /// Whether there is a copy of any version: a store, even if not one for us.
    static func isPresent<File: BlockFile & ~Copyable>(in datafile: borrowing File) -> Bool {
        do throws(DecodeError) {
            _ = try readCopies(of: datafile)
            return true
        } catch {
            return error != .notAStore
        }
    }

    /// Writes the copies one after the other, each flushed before the next, so
    /// that one of them is whole at any moment.
    /// - Parameters:
    ///   - datafile: open for writing, direct or not.
    ///   - first: the copy to begin with; never the only valid one.
    /// - Throws: the error of the write or flush, which must not be tried again.
    package func write<File: BlockFile & ~Copyable>(
        to datafile: borrowing File, first: Int = 0
    ) throws(SystemError) {
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.byteCount, alignment: DatafileLayout.blockBytes)
        defer { block.deallocate() }
        for number in [first, 1 - first] {
            let offset = DatafileLayout.superblockOffsets[number]
            encode(into: block, copyAt: offset)
            Failpoint.reached(.beforeSuperblockWrite)
            try datafile.write(UnsafeRawBufferPointer(block), at: offset)
            try datafile.synchronize()
            Failpoint.reached(number == first ? .afterFirstSuperblockCopy : .afterSecondSuperblockCopy)
        }
    }
}
