/// The arguments of one command, its name first.
///
/// A view: whoever made it keeps the bytes, and says how long. Reading an argument
/// copies nothing.
package struct CommandArguments: BitwiseCopyable, @unchecked Sendable {
    // Sendable because nobody writes to the bytes of a request that somebody looks at.

    /// Where an argument is, in bytes behind `base`.
    package struct Extent: BitwiseCopyable {
        package var offset: UInt32
        package var byteCount: UInt32

        package init(offset: UInt32, byteCount: UInt32) {
            self.offset = offset
            self.byteCount = byteCount
        }
    }

    package let base: UnsafeRawPointer
    package let extents: UnsafePointer<Extent>
    package let count: Int

    package init(base: UnsafeRawPointer, extents: UnsafePointer<Extent>, count: Int) {
        self.base = base
        self.extents = extents
        self.count = count
    }

    @inline(__always)
    package subscript(position: Int) -> UnsafeRawBufferPointer {
        precondition(position >= 0 && position < count)
        let extent = extents[position]
        return UnsafeRawBufferPointer(start: base + Int(extent.offset), count: Int(extent.byteCount))
    }

    /// What the bytes of all arguments add up to.
    package var byteCount: Int {
        var sum = 0
        for position in 0..<count { sum += Int(extents[position].byteCount) }
        return sum
    }

    /// What ``OwnedArguments`` of them occupy, the object included: also of a million that are empty.
    package var ownedBytes: Int { byteCount + count * MemoryLayout<Extent>.stride + OwnedArguments.objectBytes }
}

/// Arguments with memory of their own, for commands that outlive the buffer they came in.
package final class OwnedArguments: @unchecked Sendable {
    // Sendable because nothing changes once it is made.
    private let bytes: UnsafeMutableRawPointer
    private let extents: UnsafeMutablePointer<CommandArguments.Extent>
    private let count: Int
    /// What they occupy, without the object.
    package let byteCount: Int
    /// An object, two allocations, and the place in a queue.
    static let objectBytes = 160

    package var view: CommandArguments {
        CommandArguments(base: UnsafeRawPointer(bytes), extents: extents, count: count)
    }

    private init(count: Int, argumentBytes: Int, argument: (Int) -> UnsafeRawBufferPointer) {
        self.count = count
        byteCount = argumentBytes + count * MemoryLayout<CommandArguments.Extent>.stride
        bytes = .allocate(byteCount: max(argumentBytes, 1), alignment: 1)
        extents = .allocate(capacity: max(count, 1))
        var offset = 0
        for position in 0..<count {
            let source = argument(position)
            UnsafeMutableRawBufferPointer(start: bytes + offset, count: source.count).copyMemory(from: source)
            (extents + position).initialize(
                to: CommandArguments.Extent(offset: UInt32(offset), byteCount: UInt32(source.count)))
            offset += source.count
        }
    }

    package convenience init(copying arguments: CommandArguments) {
        self.init(count: arguments.count, argumentBytes: arguments.byteCount) { arguments[$0] }
    }

    /// Arguments that are made up, not received.
    package convenience init(_ arguments: [[UInt8]]) {
        let copies = arguments.map { argument in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: argument.count, alignment: 1)
            copy.copyBytes(from: argument)
            return copy
        }
        defer { copies.forEach { $0.deallocate() } }
        self.init(count: copies.count, argumentBytes: copies.reduce(0) { $0 + $1.count }) {
            UnsafeRawBufferPointer(copies[$0])
        }
    }

    deinit {
        bytes.deallocate()
        extents.deallocate()
    }
}
