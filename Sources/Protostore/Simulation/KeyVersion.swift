/// What a key is: a value, named by what it was filled from, or nothing.
struct KeyVersion: Equatable, CustomStringConvertible {
    /// The place of the operation that made it among all arrivals; 0 = never written.
    var order: UInt32 = 0
    var isPut = false
    /// Of its ``ValuePattern``: no two writes of a history have the same.
    var pattern: UInt32 = 0
    var valueBytes: UInt32 = 0
    /// Milliseconds since 1970; 0 = never.
    var expiryMilliseconds: UInt64 = 0
    var valueType: UInt8 = 0
    /// The log that its record is in, and when it came and was acknowledged, in steps.
    var log = 0
    var arrivalStep = 0
    var acknowledgedStep = Int.max
    /// The log's last commit when it was acknowledged: its own, or a later one.
    var commitNumber = UInt64.max

    /// Reads cannot tell whether the key has a value that has expired, or none.
    var isPerhapsExpired = false

    static let never = KeyVersion()

    var description: String {
        guard isPut else { return "#\(order) nothing" }
        let expiry = expiryMilliseconds == 0 ? "" : " until \(expiryMilliseconds)"
        return "#\(order) value \(pattern) of \(valueBytes) bytes\(expiry)"
    }

    func deleted(order: UInt32) -> KeyVersion {
        var version = KeyVersion()
        version.order = order
        return version
    }

    /// Whether a reader may find it, and whether a reader may find nothing, at some moment
    /// of a range of wall time.
    func presences(in wall: ClosedRange<UInt64>) -> [Bool] {
        guard isPut else { return [false] }
        if expiryMilliseconds == 0 || expiryMilliseconds > wall.upperBound { return [true] }
        return expiryMilliseconds <= wall.lowerBound ? [false] : [true, false]
    }

    /// Whether a value that was read is this one.
    func matches(_ value: ObservedValue?) -> Bool {
        guard let value, isPut else { return value == nil && !isPut }
        return value.byteCount == valueBytes && value.expiryMilliseconds == expiryMilliseconds
            && value.pattern == pattern & Self.patternMask(byteCount: valueBytes)
    }

    /// A value shorter than its pattern's number holds only part of it.
    private static func patternMask(byteCount: UInt32) -> UInt32 {
        byteCount >= 4 ? .max : 1 << (8 * byteCount) - 1
    }
}

/// A value as somebody read it. Its bytes are those of a ``ValuePattern`` throughout.
struct ObservedValue: Equatable, CustomStringConvertible {
    var byteCount: UInt32
    /// As far as the value is long enough for it.
    var pattern: UInt32
    var expiryMilliseconds: UInt64

    var description: String {
        "value \(pattern) of \(byteCount) bytes" + (expiryMilliseconds == 0 ? "" : " until \(expiryMilliseconds)")
    }

    /// - Returns: nil where the bytes are those of no pattern of the key.
    init?(_ bytes: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, expiryMilliseconds: UInt64) {
        guard let pattern = ValuePattern.verifiedVersion(of: bytes, key: key) else { return nil }
        byteCount = UInt32(bytes.count)
        self.pattern = pattern
        self.expiryMilliseconds = expiryMilliseconds
    }
}

/// What was wrong, in words.
package struct Discrepancy: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
