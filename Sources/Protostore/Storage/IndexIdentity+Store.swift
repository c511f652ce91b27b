extension IndexIdentity {
    /// Which state of which store an index is of, for saving it and for
    /// deciding whether a saved one still counts.
    ///
    /// A store as generated has commit 0 with checksum 0: its records are in
    /// sealed segments, and no commit came after them.
    /// - Parameters:
    ///   - superblock: its open counter is that of the opening that indexed the commit.
    ///   - datafile: the file that holds the store; a copy of it is another one.
    package init(
        _ superblock: Superblock, datafile: borrowing FileDescriptor, commitNumber: UInt64 = 0,
        commitChecksum: UInt64 = 0
    ) throws(SystemError) {
        let status = try datafile.status()
        self.init(
            storeID: UInt128(superblock.storeID.high) << 64 | UInt128(superblock.storeID.low),
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), openCounter: superblock.openCounter,
            commitNumber: commitNumber, commitChecksum: commitChecksum)
    }
}
