/// Why the index refused a change, or cannot be used at all.
package enum IndexError: Error, Equatable, CustomStringConvertible {
    /// Memory could not be allocated: the file system or the limit is full.
    /// New keys are refused; replacing and removing go on.
    case memory(SystemError)
    /// The range of addresses or the directory's depth is used up.
    case full
    /// 16 keys with the same 37 hash bits are there already.
    case tooManyEqualHashes
    /// The memory holds what no index of this version wrote: rebuild it.
    case damaged(String)

    package var description: String {
        switch self {
        case .memory(let error): "index: \(error)"
        case .full: "index: its range of addresses is used up"
        case .tooManyEqualHashes: "index: too many keys with equal hashes"
        case .damaged(let text): "index: damaged: \(text)"
        }
    }
}
