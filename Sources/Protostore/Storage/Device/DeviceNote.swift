/// What a directory keeps of the block device that is its datafile: the file `protostore.device`,
/// two lines of text.
///
/// ```
/// device /dev/disk/by-id/nvme-...
/// store 0123456789abcdef0123456789abcdef
/// ```
///
/// Names of devices may change; the store's id says whether it is the right one.
struct DeviceNote: Equatable, Sendable {
    static let name = "protostore.device"
    static let temporaryName = "protostore.device.new"
    private static let byteCountMax = 8192

    /// Absolute.
    var path: String
    var storeID: StoreID

    init(path: String, storeID: StoreID) {
        self.path = path
        self.storeID = storeID
    }

    var text: String { "device \(path)\nstore \(storeID)\n" }

    /// - Returns: nil where that is no note.
    init?(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 3, lines[2].isEmpty, lines[0].hasPrefix("device /"), lines[1].hasPrefix("store "),
            let storeID = StoreID(hexadecimal: lines[1].dropFirst(6))
        else { return nil }
        self.init(path: String(lines[0].dropFirst(7)), storeID: storeID)
    }

    /// - Returns: nil where the directory has none.
    static func read(in directory: String) throws(DeviceError) -> DeviceNote? {
        let path = "\(directory)/\(name)"
        guard Directory.fileExists(path) else { return nil }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCountMax, alignment: 1)
        defer { bytes.deallocate() }
        let count: Int
        do throws(SystemError) {
            count = try SystemError.naming(path) { () throws(SystemError) in
                try FileDescriptor.open(path).read(into: bytes, at: 0)
            }
        } catch {
            throw .system(error)
        }
        guard count < byteCountMax, let note = DeviceNote(String(decoding: bytes[..<count], as: UTF8.self)) else {
            throw .damagedNote(path)
        }
        return note
    }

    /// Replaces the directory's note in one step, durably.
    func write(in directory: String) throws(SystemError) {
        let temporaryPath = "\(directory)/\(Self.temporaryName)"
        let file = try FileDescriptor.open(temporaryPath, [.write, .create, .truncate], mode: 0o644)
        try SystemError.naming(temporaryPath) { () throws(SystemError) in
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
            defer { bytes.deallocate() }
            bytes.copyBytes(from: text.utf8)
            try file.write(UnsafeRawBufferPointer(bytes), at: 0)
            try file.synchronize()
        }
        try Directory.renameFile(temporaryPath, to: "\(directory)/\(Self.name)")
        try Directory.synchronize(directory)
    }
}

extension StoreID {
    /// - Parameter text: 32 hexadecimal digits.
    init?(hexadecimal text: some StringProtocol) {
        let digits = text.utf8.count == 32 && text.allSatisfy(\.isHexDigit) ? text : nil
        guard let digits, let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}
