/// Writing the three files, in pieces of ascending keys or entry by entry: by several
/// threads, in any order.
extension TableOfContents {
    /// Bytes of one key in the three files together.
    static let entryBytes = 16 + 8 + 2

    struct Writer: ~Copyable, Sendable {
        private let uuids: FileDescriptor
        private let offsets: FileDescriptor
        private let lengths: FileDescriptor
        /// The files as memory, for ``place(_:at:)``.
        private let mapping: Mapping?

        private final class Mapping: Sendable {
            let uuids: MemoryMapping
            let offsets: MemoryMapping
            let lengths: MemoryMapping

            /// - Parameter count: as many entries as the files have room for.
            init(
                _ uuids: borrowing FileDescriptor, _ offsets: borrowing FileDescriptor,
                _ lengths: borrowing FileDescriptor, count: Int
            ) throws(SystemError) {
                self.uuids = try MemoryMapping(shared: uuids, byteCount: count * 16, writable: true)
                self.offsets = try MemoryMapping(shared: offsets, byteCount: count * 8, writable: true)
                self.lengths = try MemoryMapping(shared: lengths, byteCount: count * 2, writable: true)
            }
        }

        /// Makes the files, with room for `count` entries.
        /// - Parameter isMapped: whether entries will be placed one by one.
        init(directory: String, count: Int, isMapped: Bool = false) throws(SystemError) {
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
            mapping = isMapped ? try Mapping(uuids, offsets, lengths, count: count) : nil
            self.uuids = uuids
            self.offsets = offsets
            self.lengths = lengths
        }

        /// Writes the entries of `piece`, of ascending keys, as those from number `first` on.
        func write(_ piece: borrowing Piece, at first: Int) throws(SystemError) {
            try uuids.write(piece.uuids, at: first * 16)
            try offsets.write(piece.offsets, at: first * 8)
            try lengths.write(piece.lengths, at: first * 2)
        }

        /// Puts each entry of `piece` in its place.
        /// - Parameter rank: where the entry of that number in the piece goes, of all.
        func place(_ piece: borrowing Piece, at rank: (Int) -> Int) {
            guard let mapping else { preconditionFailure("the files are not mapped") }
            for number in 0..<piece.count {
                let place = rank(number)
                precondition(place >= 0 && place < mapping.lengths.byteCount / 2)
                (mapping.uuids.base + place * 16).copyMemory(from: piece.uuids.baseAddress! + number * 16, byteCount: 16)
                (mapping.offsets.base + place * 8).copyMemory(from: piece.offsets.baseAddress! + number * 8, byteCount: 8)
                (mapping.lengths.base + place * 2).copyMemory(from: piece.lengths.baseAddress! + number * 2, byteCount: 2)
            }
        }

        /// What was placed and what was written.
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
