/// Why there is no copy, beside failing system calls. Each describes itself in one line.
package enum BackupError: Error, Equatable, CustomStringConvertible {
    /// Writes needed the space of segments that only the backup held.
    case gaveUp
    /// Whoever wanted it is gone, or does not want it any more.
    case cancelled
    /// There is one under way.
    case busy
    case storeFailed
    /// The server ends.
    case stopping
    /// The path of a file that is there.
    case exists(String)
    /// The path of a datafile that a process has open.
    case inUse(String)
    /// A directory, and bytes.
    case noSpace(String, needed: Int, free: Int)

    package var description: String {
        switch self {
        case .gaveUp:
            "gave up: the store needs the space of segments that only the backup held. Give the store more room, or "
                + "back up when less is written"
        case .cancelled: "cancelled"
        case .busy: "a backup of this store is under way already"
        case .storeFailed:
            "an earlier write or flush of the store failed, so that it is not known what is on its disk: restart the server first"
        case .stopping: "the server is stopping"
        case .exists(let path): "\(path) exists already; a backup needs a directory without a store"
        case .inUse(let path): "\(path) is in use by another process"
        case .noSpace(let path, let needed, let free):
            "\(path): not enough space: \(needed) bytes are needed, \(free) bytes are free"
        }
    }
}
