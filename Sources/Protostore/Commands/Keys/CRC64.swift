/// The checksum at the end of a DUMP payload.
package enum CRC64 {
    /// CRC-64 by Jones: polynomial 0xAD93D23594C935A9, bits reflected, starts at 0.
    package static func jones(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        tables.withUnsafeBufferPointer { tables in
            var checksum: UInt64 = 0
            var position = 0
            // Eight bytes at a time: table k holds what a byte does that has k more behind it.
            while bytes.count - position >= 8 {
                let word = checksum ^ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                checksum = 0
                for place in 0..<8 {
                    checksum ^= tables[(7 - place) << 8 | Int(truncatingIfNeeded: word >> UInt64(8 * place) & 0xFF)]
                }
                position += 8
            }
            for byte in bytes[position...] {
                checksum = tables[Int(UInt8(truncatingIfNeeded: checksum) ^ byte)] ^ checksum >> 8
            }
            return checksum
        }
    }

    private static let tables: [UInt64] = {
        let reflectedPolynomial: UInt64 = 0x95AC_9329_AC4B_C9B5
        var tables = (0..<256).map { byte in
            (0..<8).reduce(UInt64(byte)) { rest, _ in rest >> 1 ^ (rest & 1 == 1 ? reflectedPolynomial : 0) }
        }
        for place in 256..<2048 {
            let one = tables[place - 256]
            tables.append(tables[Int(one & 0xFF)] ^ one >> 8)
        }
        return tables
    }()
}
