/// Which state of which store an index is of, for keeping it and for deciding
/// whether one that is found still counts.
extension IndexIdentity {
    /// Of a closed store's saved index. Of all logs together there is one number and
    /// one checksum; a store as generated has none and zeros.
    /// - Parameters:
    ///   - superblock: of the opening that indexed the commits.
    ///   - logEnds: where its logs end.
    ///   - datafile: the file or device that holds the store; a copy of it is another one.
    package init(
        _ superblock: Superblock, logEnds: [CommitReference], datafile: borrowing FileDescriptor
    ) throws(SystemError) {
        let file = try datafile.identity()
        self.init(
            storeID: superblock.storeID.word, device: file.device, inode: file.inode,
            openCounter: superblock.openCounter, commitNumber: logEnds.reduce(0) { $0 &+ $1.number },
            commitChecksum: Self.checksum(logEnds))
    }

    /// Logs without commits at the end do not matter: the number of shards may change.
    private static func checksum(_ logEnds: [CommitReference]) -> UInt64 {
        let count = (logEnds.lastIndex { $0.number > 0 } ?? -1) + 1
        guard count > 0 else { return 0 }
        let words = logEnds[..<count].flatMap { [$0.number.littleEndian, $0.checksum.littleEndian] }
        return words.withUnsafeBytes { XXH3.hash64($0, seed: 0) }
    }
}

extension LiveIndexIdentity {
    /// Of the mapping of a store that is open.
    package init(_ superblock: Superblock, datafile: borrowing FileDescriptor) throws(SystemError) {
        let file = try datafile.identity()
        self.init(
            bootID: try BootIdentifier.current(), storeID: superblock.storeID.word, device: file.device,
            inode: file.inode, openCounter: superblock.openCounter)
    }
}

extension StoreID {
    var word: UInt128 { UInt128(high) << 64 | UInt128(low) }
}
