/// Where the arguments of a request are: storage that one loop uses again and again.
///
/// - It grows by doubling, with arguments that have come: an argument takes 6 bytes of a
///   request at least, and 8 here. What is only declared reserves nothing.
/// - The next request after an unusually large one starts with small storage again.
/// - An inline request's arguments are copied, since quotes and escapes are not part of
///   them: at most a line of ``RESPLimits/inlineBytesMax``.
package struct ArgumentList: ~Copyable {
    typealias Extent = CommandArguments.Extent

    /// Storage that is kept between requests: 2 KiB and 4 KiB.
    static let keptCapacity = 256
    static let keptTextCapacity = 4096

    package private(set) var count = 0
    /// Of extents, 8 bytes each.
    private(set) var capacity = keptCapacity
    private var extents = UnsafeMutablePointer<Extent>.allocate(capacity: keptCapacity)

    /// The arguments of an inline request, one behind the other.
    private(set) var textCapacity = 0
    private var text: UnsafeMutableRawPointer?
    private var textCount = 0
    private var isText = false

    package init() {}

    deinit {
        extents.deallocate()
        text?.deallocate()
    }

    /// - Parameter base: the first byte of the request that was parsed. It may have moved
    ///   since. The view holds until the list is used again.
    @inline(__always)
    package func arguments(at base: UnsafeRawPointer) -> CommandArguments {
        CommandArguments(base: isText ? text.map { UnsafeRawPointer($0) } ?? base : base, extents: extents, count: count)
    }

    /// Forgets the arguments, and storage beyond what is kept.
    @inline(__always)
    package mutating func removeAll() {
        if capacity > Self.keptCapacity || textCapacity > Self.keptTextCapacity { shrink() }
        count = 0
        isText = false
    }

    private mutating func shrink() {
        if capacity > Self.keptCapacity {
            extents.deallocate()
            capacity = Self.keptCapacity
            extents = .allocate(capacity: capacity)
        }
        if textCapacity > Self.keptTextCapacity {
            text?.deallocate()
            text = nil
            textCapacity = 0
        }
    }

    // MARK: Arguments within the request

    /// - Parameters: bytes from the request's first; both below 2^31.
    @inline(__always)
    mutating func append(offset: Int, byteCount: Int) {
        if count == capacity { grow() }
        (extents + count).initialize(
            to: Extent(offset: UInt32(truncatingIfNeeded: offset), byteCount: UInt32(truncatingIfNeeded: byteCount)))
        count &+= 1
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Extent>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: extents, count: count)
        extents.deallocate()
        extents = larger
        capacity *= 2
    }

    // MARK: Arguments of their own

    /// Makes room for arguments of at most `byteCount` bytes in all. The list is empty.
    mutating func beginText(byteCount: Int) {
        isText = true
        textCount = 0
        guard byteCount > textCapacity else { return }
        text?.deallocate()
        textCapacity = max(byteCount, Self.keptTextCapacity)
        text = .allocate(byteCount: textCapacity, alignment: 1)
    }

    /// Starts an argument: the bytes that follow are its.
    mutating func beginTextArgument() { append(offset: textCount, byteCount: 0) }

    /// A byte more of the argument that was begun last.
    mutating func appendText(_ byte: UInt8) {
        precondition(count > 0 && textCount < textCapacity)
        text?.storeBytes(of: byte, toByteOffset: textCount, as: UInt8.self)
        textCount += 1
        extents[count - 1].byteCount += 1
    }
}
