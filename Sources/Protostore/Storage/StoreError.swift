/// Why a directory cannot be opened as a store.
package enum StoreError: Error, Equatable, CustomStringConvertible {
    case notAStore(String, String)
    case undecodable(String, Superblock.DecodeError)
    case inUse(String)
    case device(DeviceError)
    /// What the store has lost, or may have.
    case losses(String, [StoreNote])
    /// Behind the end of a log, at this byte of the datafile.
    case unreadable(String, offset: Int)
    /// Somebody wanted it to stop.
    case stopped
    case system(SystemError)
    case index(String)
    /// The path of the index's memory.
    case indexInUse(String)

    package var description: String {
        switch self {
        case .notAStore(let path, let reason):
            "\(path) is not a store: \(reason). mk_data --path makes one; so does the server, in an empty directory."
        case .undecodable(let path, .notAStore):
            "\(path) is not a store: neither copy of its superblock is valid. If mk_data was interrupted, run it again."
        case .undecodable(let path, .unreadable(let error)):
            "\(path): no copy of its superblock is valid, and the disk does not give one. \(error.explanation)"
        case .undecodable(let path, .newerVersion(let version)):
            "\(path) has format version \(version); this program reads version \(Superblock.formatVersion). "
                + "Use the release that wrote it, or a newer one."
        case .undecodable(let path, .unknownFeatures(let bits)):
            "\(path) uses features that this program does not know (bits 0x\(String(bits, radix: 16))). "
                + "Use the release that wrote it, or a newer one."
        case .inUse(let directory):
            "\(directory) is open in another process; a store has one server at a time."
        case .device(let error): error.description
        case .losses(let path, let notes):
            "\(path) has lost what was acknowledged: \(notes.map(\.description).joined(separator: "; ")). Restore the "
                + "file, or serve the rest with --accept-loss: keys that only what is lost held will be answered as "
                + "missing, or with older values."
        case .unreadable(let path, let offset):
            "\(path): the disk does not give the block at byte \(offset), where a log was written last: it may hold "
                + "what was acknowledged. Try again, copy the file to a disk that works, or give up what is there "
                + "with --accept-loss."
        case .stopped: "stopped while the store was opened"
        case .system(let error): error.explanation
        case .index(let reason): "the index cannot be set up: \(reason)"
        case .indexInUse(let path):
            "the index cannot be set up: \(path) is in use by another process, which may serve a copy of this store. "
                + "--index-path chooses another directory for it."
        }
    }
}
