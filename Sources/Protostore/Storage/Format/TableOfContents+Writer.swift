/// Writing the three files, in pieces of ascending keys: by several threads, in any order.
extension TableOfContents {
    /// Bytes of one key in the three files together.
    static let entryBytes = 16 + 8 + 2

    struct Writer: ~Copyable, Sendable {
        private let uuids: FileDescriptor
        private let offsets: FileDescriptor
        private let lengths: FileDescriptor

        /// Makes the files, with room for `count` entries.
        init(directory: String, count: Int) throws(SystemError) {
            func make(_ name: String, entryBytes: Int) throws(SystemError) -> FileDescriptor {
                let path = "\(directory)/\(name)"
                let file = try FileDescriptor.open(path, [.write, .create, .truncate], mode: 0o644)
                try SystemError.naming(path) { () throws(SystemError) in
                    try file.allocate(offset: 0, byteCount: count * entryBytes)
                }
                return file
            }
            let uuids = try make(uuidsName, entryBytes: 16)
            let offsets = try make(offsetsName, entryBytes: 8)
            let lengths = try make(lengthsName, entryBytes: 2)
            self.uuids = uuids
            self.offsets = offsets
            self.lengths = lengths
        }

        /// Writes the entries of `piece` as those from number `first` on.
        func write(_ piece: borrowing Piece, at first: Int) throws(SystemError) {
            try uuids.write(piece.uuids, at: first * 16)
            try offsets.write(piece.offsets, at: first * 8)
            try lengths.write(piece.lengths, at: first * 2)
        }

        func synchronize() throws(SystemError) {
            try uuids.synchronize()
            try offsets.synchronize()
            try lengths.synchronize()
        }
    }

    /// Consecutive entries, in the form of the files.
    struct Piece: ~Copyable {
        private let memory: MemoryMapping
        private let capacity: Int
        private(set) var count = 0

        /// - Parameter capacity: the most entries it can hold.
        init(capacity: Int) throws(SystemError) {
            memory = try MemoryMapping(anonymous: capacity * entryBytes)
            self.capacity = capacity
        }

        mutating func removeAll() { count = 0 }

        /// - Parameters:
        ///   - key: greater than the one before.
        ///   - offset: byte position of the value in the datafile.
        ///   - length: bytes of the value, 0...65,535.
        @inline(__always)
        mutating func append(key: GeneratedKeys.Key, offset: Int, length: Int) {
            precondition(count < capacity)
            memory.base.storeBytes(of: key.bigEndian, toByteOffset: count * 16, as: GeneratedKeys.Key.self)
            memory.base.storeBytes(
                of: UInt64(offset).littleEndian, toByteOffset: capacity * 16 + count * 8, as: UInt64.self)
            memory.base.storeBytes(
                of: UInt16(length).littleEndian, toByteOffset: capacity * 24 + count * 2, as: UInt16.self)
            count += 1
        }

        fileprivate var uuids: UnsafeRawBufferPointer { column(0, entryBytes: 16) }
        fileprivate var offsets: UnsafeRawBufferPointer { column(capacity * 16, entryBytes: 8) }
        fileprivate var lengths: UnsafeRawBufferPointer { column(capacity * 24, entryBytes: 2) }

        private func column(_ offset: Int, entryBytes: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: memory.base + offset, count: count * entryBytes)
        }
    }
}
