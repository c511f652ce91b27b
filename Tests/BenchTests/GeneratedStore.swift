import Glibc
import Protostore

/// A directory with the three table-of-contents files, as `mk_data` writes
/// them, and the values that belong to them. Removed with the object.
final class GeneratedStore: Sendable {
    let directory: String
    let keys: [[UInt8]]
    let values: [[UInt8]]

    /// - Parameter keys: 16 bytes each, sorted.
    init(keys: [[UInt8]], lengths: [Int]) throws {
        var template = Array("/tmp/BenchTests.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError.last("mkdtemp") }
        directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        self.keys = keys
        values = zip(keys, lengths).map { Self.value(ofKey: $0, byteCount: $1, version: 0) }
        var position: UInt64 = 0
        let offsets = lengths.map { length in
            defer { position += UInt64(length) }
            return position
        }
        try write(keys.flatMap { $0 }, to: TableOfContents.uuidsName)
        try write(offsets.flatMap { bytes(of: $0.littleEndian) }, to: TableOfContents.offsetsName)
        try write(lengths.flatMap { bytes(of: UInt16($0).littleEndian) }, to: TableOfContents.lengthsName)
    }

    /// `count` keys with values of different lengths, 1 to `bytesMax` bytes.
    convenience init(count: Int, bytesMax: Int = 3000) throws {
        let keys = (0..<count).map { index in [UInt8(index >> 8), UInt8(index & 255)] + Array(repeating: 7, count: 14) }
        try self.init(keys: keys, lengths: (0..<count).map { 1 + $0 * 397 % bytesMax })
    }

    deinit {
        for name in [TableOfContents.uuidsName, TableOfContents.offsetsName, TableOfContents.lengthsName] {
            unlink("\(directory)/\(name)")
        }
        rmdir(directory)
    }

    func value(ofKey key: [UInt8], byteCount: Int, version: UInt32 = 0) -> [UInt8] {
        Self.value(ofKey: key, byteCount: byteCount, version: version)
    }

    private static func value(ofKey key: [UInt8], byteCount: Int, version: UInt32) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: byteCount)
        value.withUnsafeMutableBytes { value in
            key.withUnsafeBytes { ValuePattern.fill(value, key: $0, version: version) }
        }
        return value
    }

    private func write(_ bytes: [UInt8], to name: String) throws {
        let file = try FileDescriptor.open("\(directory)/\(name)", [.write, .create, .exclusive])
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    }

    private func bytes<Value>(of value: Value) -> [UInt8] {
        withUnsafeBytes(of: value) { Array($0) }
    }
}
