import SharedTable

/// Lines of standard output that are written, or it is an error: `print` says nothing of a full disk.
struct LineWriter {
    private var pending: [UInt8] = []
    private static let pendingBytesMax = 64 << 10

    mutating func write(_ line: String) throws(SystemError) {
        pending.append(contentsOf: line.utf8)
        pending.append(UInt8(ascii: "\n"))
        if pending.count >= Self.pendingBytesMax { try flush() }
    }

    mutating func flush() throws(SystemError) {
        let result = pending.withUnsafeBytes { bytes -> Result<Void, SystemError> in
            do throws(SystemError) { return .success(try StandardOutput.write(bytes)) } catch { return .failure(error) }
        }
        try result.get()
        pending.removeAll(keepingCapacity: true)
    }
}
