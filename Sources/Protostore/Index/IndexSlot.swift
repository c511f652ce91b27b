/// One entry of the index: where a record is, in eight bytes.
///
/// ```
/// bits 63...39  tag         25   hash bits 51...27, set by the index
/// bits 38...6   location    33   granules from the start of the datafile, never 0
/// bits  5...1   size class   5   see SizeClass
/// bit   0       expires      1   the record has an expiry time
/// ```
///
/// Two kinds of words have location 0 and match no key: 0 is an empty slot,
/// anything else is room held by a reservation.
package struct IndexSlot: Hashable, BitwiseCopyable, Sendable {
    package static let tagBits = 25
    package static let locationBits = 33
    static let locationMask: UInt64 = (1 << 33 - 1) << 6
    static let payloadMask: UInt64 = 1 << 39 - 1

    /// Locations end before this many granules.
    package static let locationLimit: UInt64 = 1 << 33

    package let rawValue: UInt64

    @inline(__always)
    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// A slot without a tag, which the index adds.
    /// - Parameter location: granules, 1..<2^33.
    @inline(__always)
    package init(location: UInt64, sizeClass: SizeClass, expires: Bool = false) {
        precondition(location > 0 && location < Self.locationLimit, "a location is 1..<2^33 granules")
        rawValue = location << 6 | UInt64(sizeClass.rawValue) << 1 | (expires ? 1 : 0)
    }

    /// Granules from the start of the datafile.
    @inline(__always)
    package var location: UInt64 { (rawValue & Self.locationMask) >> 6 }

    @inline(__always)
    package var sizeClass: SizeClass { SizeClass(truncating: rawValue >> 1) }

    /// Whether the record has an expiry time.
    @inline(__always)
    package var expires: Bool { rawValue & 1 != 0 }

    /// The 25 hash bits below the root.
    @inline(__always)
    package var tag: UInt64 { rawValue >> 39 }

    /// Neither empty nor a reservation.
    @inline(__always)
    var isRecord: Bool { rawValue & Self.locationMask != 0 }

    /// Whether the slot is a record of that tag.
    @inline(__always)
    func matches(tag: UInt64) -> Bool { rawValue >> 39 == tag && isRecord }

    @inline(__always)
    func tagged(_ tag: UInt64) -> IndexSlot {
        IndexSlot(rawValue: tag << 39 | rawValue & Self.payloadMask)
    }

    /// Room held for a key with that tag.
    @inline(__always)
    static func reservation(tag: UInt64) -> IndexSlot { IndexSlot(rawValue: tag << 39 | 1) }
}
