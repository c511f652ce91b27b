/// Values that Redis has compressed.
///
/// ```
/// 000lllll                    l + 1 bytes follow as they are
/// lllooooo oooooooo           l + 2 bytes again, from o + 1 bytes back; l < 7
/// 111ooooo llllllll oooooooo  l + 9 bytes again, from o + 1 bytes back
/// ```
package enum LZF {
    /// So many bytes come of one at most: 264 of three.
    package static let growthMax = 88

    /// Nil where the bytes are not compressed ones, or are of another number of bytes.
    ///
    /// No memory is taken for a number that has only been declared: it grows with what
    /// there is, by ``growthMax`` times the compressed bytes at most.
    package static func decompressed(_ bytes: UnsafeRawBufferPointer, byteCount: Int) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(min(byteCount, bytes.count &* 4))
        var position = 0
        while position < bytes.count {
            let control = Int(bytes[position])
            position += 1
            if control < 32 {
                guard position + control < bytes.count, output.count + control < byteCount else { return nil }
                output.append(contentsOf: bytes[position...(position + control)])
                position += control + 1
            } else {
                guard let next = repeated(bytes, position, control, &output, byteCount) else { return nil }
                position = next
            }
        }
        return output.count == byteCount ? output : nil
    }

    /// Appends what is there already once more.
    /// - Returns: the position behind the reference.
    private static func repeated(
        _ bytes: UnsafeRawBufferPointer, _ position: Int, _ control: Int, _ output: inout [UInt8], _ byteCount: Int
    ) -> Int? {
        var position = position
        var length = control >> 5
        if length == 7 {
            guard position < bytes.count else { return nil }
            length += Int(bytes[position])
            position += 1
        }
        guard position < bytes.count else { return nil }
        let distance = (control & 0x1F) << 8 | Int(bytes[position])
        let start = output.count - distance - 1
        guard start >= 0, output.count + length + 2 <= byteCount else { return nil }
        // One by one: the bytes may reach into those that are being appended.
        for offset in 0..<(length + 2) { output.append(output[start + offset]) }
        return position + 1
    }
}
