/// Where the datafile of a directory is: its own `protostore.data`, or a block device that
/// somebody names, or that the directory's note does.
struct DatafileLocation: Sendable {
    /// Of the file, or of the device's node.
    let path: String
    let isDevice: Bool
    /// The directory's; it says which store has to be on the device.
    let note: DeviceNote?

    /// - Parameter device: the path of a block device, or nil.
    static func find(directory: String, device: String?) throws(DeviceError) -> DatafileLocation {
        let ownPath = "\(directory)/\(Datafile.name)"
        let note = try DeviceNote.read(in: directory)
        if Directory.fileExists(ownPath) {
            if note != nil { throw .twoDatafiles(directory) }
            if device != nil { throw .ownDatafile(ownPath) }
        }
        guard let path = device ?? note?.path else {
            return DatafileLocation(path: ownPath, isDevice: false, note: nil)
        }
        return DatafileLocation(path: path, isDevice: true, note: note)
    }
}

/// A block device as a datafile. It is never made longer or shorter, and nobody else has it
/// open for writing, mounted or as a part of another device.
enum DeviceDatafile {
    /// Opens a device for direct I/O, exclusively, and locks it.
    static func open(_ path: String, isWritable: Bool, isNoted: Bool = false) throws(DeviceError) -> FileDescriptor {
        // First, since opening a pipe would wait.
        let found = try DeviceError.wrapping(path) { () throws(SystemError) in try FileIdentity.of(path) }
        guard let found else { throw .missing(path, isNoted: isNoted) }
        guard found.kind == .blockDevice else { throw .notADevice(path) }
        let device = try DeviceError.wrapping(path) { () throws(SystemError) in
            try FileDescriptor.open(path, isWritable ? [.write, .exclusive, .direct] : [.exclusive, .direct])
        }
        let (kind, isLocked) = try DeviceError.wrapping(path) { () throws(SystemError) in
            (try device.identity().kind, try device.blockingLockDevice())
        }
        guard kind == .blockDevice else { throw .notADevice(path) }
        guard isLocked else { throw .inUse(path) }
        let sectorBytes = device.directIOAlignment()
        guard sectorBytes <= DatafileLayout.blockBytes else { throw .sectors(path, byteCount: sectorBytes) }
        return device
    }

    /// Whether there is nobody's data in front of the first segment: zeros. Superblocks of which no copy
    /// is valid are what an interrupted creation has left if there are zeros behind them, too;
    /// else they may be all that is damaged of a store.
    /// - Parameter unfinished: a store that was being made there, and of which the segment map may be.
    static func isBlank(_ device: borrowing FileDescriptor, but unfinished: StoreID? = nil) throws(SystemError) -> Bool {
        let memory = try MemoryMapping(anonymous: DatafileLayout.firstSegmentOffset + DatafileLayout.blockBytes)
        let count = try device.read(into: memory.bytes, at: 0)
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.bytes)[..<count])
        var isTorn = false
        for offset in DatafileLayout.superblockOffsets where offset + Superblock.byteCount <= count {
            guard bytes.get(offset, as: UInt64.self) == Superblock.magic else { continue }
            (memory.base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: Superblock.byteCount)
            isTorn = true
        }
        if let unfinished { SegmentMap.erase(unfinished, from: memory.bytes) }
        return bytes.prefix(isTorn ? count : DatafileLayout.firstSegmentOffset).allSatisfy { $0 == 0 }
    }

    /// Ends what was on the device, durably: zeros in front of the first segment.
    static func clear(_ device: borrowing FileDescriptor) throws(SystemError) {
        let zeros = try MemoryMapping(anonymous: DatafileLayout.firstSegmentOffset)
        try device.write(UnsafeRawBufferPointer(zeros.bytes), at: 0)
        try device.synchronize()
    }
}
