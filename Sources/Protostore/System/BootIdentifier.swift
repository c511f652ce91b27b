import var Glibc.EINVAL

/// Which run of the machine this is: what is left in memory-backed files was
/// left since the last boot if this number is the same.
package enum BootIdentifier {
    private static let path = "/proc/sys/kernel/random/boot_id"

    /// The kernel's random number of this boot.
    /// - Throws: EINVAL where the kernel's text is no UUID.
    package static func current() throws(SystemError) -> UInt128 {
        let file = try FileDescriptor.open(path)
        var bytes = [UInt8](repeating: 0, count: 64)
        var count = 0
        var failure: SystemError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(SystemError) { count = try file.read(into: buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        guard let identifier = parse(bytes[..<count]) else { throw SystemError("read", code: EINVAL, on: path) }
        return identifier
    }

    /// - Returns: nil where the text is not 32 hexadecimal digits, dashes and a line's end aside.
    static func parse(_ text: ArraySlice<UInt8>) -> UInt128? {
        let digits = text.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "\n") }
        guard digits.count == 32, digits.allSatisfy({ $0 != UInt8(ascii: "+") }) else { return nil }
        return UInt128(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
