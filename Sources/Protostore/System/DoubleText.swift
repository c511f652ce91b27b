import CLinux

/// Numbers with a point, as C's `%.17g` writes them: 17 digits at most, so that no two
/// numbers look alike, and no more of them than the number has.
package enum DoubleText {
    /// The most that one takes: sign, point, 17 digits and an exponent of five characters.
    package static let byteCountMax = 24

    /// - Parameter body: gets the characters.
    package static func with(_ value: Double, _ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: byteCountMax + 1, alignment: 1) { bytes in
            let text = bytes.assumingMemoryBound(to: CChar.self)
            let byteCount = text.baseAddress.map { Int(linux_format_double($0, text.count, value)) } ?? 0
            body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<min(max(byteCount, 0), byteCountMax)]))
        }
    }
}
