/// An integer of 1 to 64 bits somewhere in a value.
struct BitField {
    enum Overflow {
        case wrap, saturate, fail
    }

    /// What becomes of a value in the field.
    struct Fit {
        /// What the field can hold of it: its bits, the last the lowest.
        var bits: UInt64
        var isOverflow: Bool
    }

    let isSigned: Bool
    /// At most 63 without a sign.
    let width: Int
    var offset = 0

    /// - Parameter type: `i1` to `i64`, `u1` to `u63`; as a C string, it ends at a zero byte.
    init?(type: UnsafeRawBufferPointer) {
        switch type.first {
        case UInt8(ascii: "i"): isSigned = true
        case UInt8(ascii: "u"): isSigned = false
        default: return nil
        }
        let digits = type.dropFirst().prefix { $0 != 0 }
        guard let width = IntegerText.integer(UnsafeRawBufferPointer(rebasing: digits)),
            width >= 1, width <= (isSigned ? 64 : 63)
        else { return nil }
        self.width = width
    }

    /// The first byte that the field does not touch.
    var bytesEnd: Int { (offset + width + 7) / 8 }

    private var mask: UInt64 { UInt64.max >> UInt64(64 - width) }

    /// The highest and the lowest integer that it holds.
    private var highest: Int { Int(mask >> (isSigned ? 1 : 0)) }
    private var lowest: Int { isSigned ? -1 - highest : 0 }

    // MARK: In bytes

    /// What the field holds; bits behind the end of the bytes are zeros.
    func read(_ bytes: UnsafeRawBufferPointer) -> Int {
        var window: UInt128 = 0
        for position in (offset / 8)..<bytesEnd {
            window = window << 8 | UInt128(position < bytes.count ? bytes[position] : 0)
        }
        let bits = UInt64(truncatingIfNeeded: window >> UInt128(bytesEnd * 8 - offset - width)) & mask
        return integer(bits)
    }

    /// - Parameter bytes: go to ``bytesEnd`` at least.
    func write(_ bits: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
        let shift = UInt128(bytesEnd * 8 - offset - width)
        var window = UInt128(bits & mask) << shift
        var windowMask = UInt128(mask) << shift
        for position in ((offset / 8)..<bytesEnd).reversed() {
            bytes[position] = bytes[position] & ~UInt8(truncatingIfNeeded: windowMask) | UInt8(truncatingIfNeeded: window)
            window >>= 8
            windowMask >>= 8
        }
    }

    /// What the bits mean.
    func integer(_ bits: UInt64) -> Int {
        guard isSigned else { return Int(truncatingIfNeeded: bits) }
        let shift = 64 - width
        return Int(truncatingIfNeeded: bits << UInt64(shift)) >> shift
    }

    // MARK: Arithmetic

    /// A value that SET gives. Without a sign, a negative one is a very large one. In Redis so
    /// is one that is further below the highest than 64 bits count: it saturates there.
    func fit(_ value: Int, _ overflow: Overflow) -> Fit {
        let isFarBelow = highest.subtractingReportingOverflow(value).overflow && width < 64
        let isTooHigh = value > highest || isFarBelow || !isSigned && value < 0
        return fit(UInt64(bitPattern: Int64(value)), isTooHigh: isTooHigh, isTooLow: value < lowest, overflow)
    }

    /// What INCRBY makes of a value that the field holds.
    func fit(_ value: Int, plus increment: Int, _ overflow: Overflow) -> Fit {
        let (sum, isBeyondInteger) = value.addingReportingOverflow(increment)
        let isTooHigh = isBeyondInteger ? increment > 0 : sum > highest
        let isTooLow = isBeyondInteger ? increment < 0 : sum < lowest
        return fit(UInt64(bitPattern: Int64(sum)), isTooHigh: isTooHigh, isTooLow: isTooLow, overflow)
    }

    private func fit(_ bits: UInt64, isTooHigh: Bool, isTooLow: Bool, _ overflow: Overflow) -> Fit {
        guard isTooHigh || isTooLow else { return Fit(bits: bits & mask, isOverflow: false) }
        guard overflow == .saturate else { return Fit(bits: bits & mask, isOverflow: true) }
        let limit = isTooHigh ? highest : lowest
        return Fit(bits: UInt64(bitPattern: Int64(limit)) & mask, isOverflow: true)
    }
}
