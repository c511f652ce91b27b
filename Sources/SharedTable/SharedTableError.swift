import var Glibc.EDQUOT
import var Glibc.ENOSPC

/// Why a table could not do something. The table itself is as before and usable.
public enum SharedTableError: Error, Equatable, CustomStringConvertible {
    /// There is no table of this path.
    case missing(path: String)
    /// There is a table, or another file, of this path already.
    case exists(path: String)
    /// The file is not a table that this user may trust: the text says what is wrong.
    case refused(path: String, reason: String)
    /// The table holds what no table writes; the text says what.
    case damaged(String)
    /// The machine stopped while the table, which is on a disk, was in use.
    case notCleanlyClosed(path: String)
    /// Processes of another PID namespace are attached: locks tell threads by their numbers.
    case otherNamespace(path: String)
    /// Somebody else is attaching or detaching, and does not come to an end.
    case busy(path: String)
    /// There is no room for this; removing and replacing pairs works.
    case full(limit: Limit)
    /// Key and value together take more than 4 GiB.
    case tooLong
    /// A number was to be added to a value that is not of 8 bytes.
    case notANumber
    /// Two keys have the same handle.
    case ambiguousHandle
    /// A mutex cannot be taken: by a signal handler, from a thread that holds it.
    case lock(code: Int32)
    /// A system call failed; the text is the system's.
    case system(call: String, code: Int32, text: String)

    /// What is used up.
    public enum Limit: Equatable, Sendable {
        /// The file system: /dev/shm, or the disk.
        case fileSystem
        /// The most bytes that the table's creator allows.
        case bytesMax
        /// The address space that was set aside when the table was created.
        case capacity
        /// One part of the table, which holds far more than its share.
        case stripe
    }

    init(_ error: SystemError) {
        self = .system(call: "\(error.call)", code: error.code, text: error.description)
    }

    /// An error of a call that takes room in the table's file system.
    init(takingRoom error: SystemError) {
        self = error.code == ENOSPC || error.code == EDQUOT ? .full(limit: .fileSystem) : .init(error)
    }

    public var description: String {
        switch self {
        case .missing(let path): "\(path): there is no such table"
        case .exists(let path): "\(path): is there already"
        case .refused(let path, let reason): "\(path): \(reason)"
        case .damaged(let text): "the table is damaged: \(text)"
        case .notCleanlyClosed(let path): "\(path): the machine stopped while the table was in use; restore a snapshot"
        case .otherNamespace(let path): "\(path): processes of another PID namespace use the table"
        case .busy(let path): "\(path): somebody else is attaching to the table and does not come to an end"
        case .full(.fileSystem): "no space left in the table's file system"
        case .full(.bytesMax): "the table has reached its greatest size"
        case .full(.capacity): "the table's address space is used up"
        case .full(.stripe): "a part of the table is full"
        case .tooLong: "key and value take more than 4 GiB together"
        case .notANumber: "the value is not a number of 8 bytes"
        case .ambiguousHandle: "two keys have this handle"
        case .lock(let code): "a lock of the table cannot be taken: error \(code)"
        case .system(_, _, let text): text
        }
    }
}
