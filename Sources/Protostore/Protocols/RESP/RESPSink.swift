/// Where a reply's bytes go: they are counted, or written.
protocol RESPSink {
    mutating func put(_ byte: UInt8)
    mutating func put(_ bytes: UnsafeRawBufferPointer)
    mutating func put(decimal value: Int)
}

extension RESPSink {
    @inline(__always)
    mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func put(_ text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    /// A line of a mark and a number.
    @inline(__always)
    mutating func put(_ mark: Unicode.Scalar, line value: Int) {
        put(UInt8(ascii: mark))
        put(decimal: value)
        putLineEnd()
    }

    @inline(__always)
    mutating func putLineEnd() {
        put(UInt8(ascii: "\r"))
        put(UInt8(ascii: "\n"))
    }
}

struct ByteCounter: RESPSink {
    private(set) var byteCount = 0

    @inline(__always)
    mutating func put(_ byte: UInt8) { byteCount += 1 }
    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) { byteCount += bytes.count }
    @inline(__always)
    mutating func put(decimal value: Int) { byteCount += DecimalText.byteCount(of: value) }
}

/// Writes to memory of which the caller has counted that it is enough.
struct ByteWriter: RESPSink {
    private let start: UnsafeMutableRawPointer
    private(set) var byteCount = 0

    @inline(__always)
    init(_ start: UnsafeMutableRawPointer) { self.start = start }

    @inline(__always)
    mutating func put(_ byte: UInt8) {
        start.storeBytes(of: byte, toByteOffset: byteCount, as: UInt8.self)
        byteCount &+= 1
    }

    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        if let source = bytes.baseAddress { (start + byteCount).copyMemory(from: source, byteCount: bytes.count) }
        byteCount &+= bytes.count
    }

    @inline(__always)
    mutating func put(decimal value: Int) { byteCount &+= DecimalText.write(value, into: start + byteCount) }
}

/// Whole numbers in decimal digits.
enum DecimalText {
    @inline(__always)
    static func byteCount(of value: Int) -> Int {
        var byteCount = value < 0 ? 2 : 1
        var rest = value.magnitude
        while rest >= 10 {
            rest /= 10
            byteCount += 1
        }
        return byteCount
    }

    /// - Returns: how many bytes were written: 20 at most.
    @inline(__always)
    static func write(_ value: Int, into bytes: UnsafeMutableRawPointer) -> Int {
        let byteCount = byteCount(of: value)
        var place = byteCount
        var rest = value.magnitude
        repeat {
            place &-= 1
            let digit = UInt8(truncatingIfNeeded: rest % 10)
            bytes.storeBytes(of: UInt8(ascii: "0") &+ digit, toByteOffset: place, as: UInt8.self)
            rest /= 10
        } while rest > 0
        if value < 0 { bytes.storeBytes(of: UInt8(ascii: "-"), as: UInt8.self) }
        return byteCount
    }
}
