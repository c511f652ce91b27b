import var Glibc.ENOENT
import var Glibc.EWOULDBLOCK

/// The index that a killed process left, and up to where it is one.
package struct LiveIndex<Memory: IndexMemory & ~Copyable>: Sendable {
    package let storage: IndexStorage<Memory>
    /// For each log the number of its last applied commit: later ones are to be replayed.
    package let applied: [UInt64]
}

/// Why the mapping that is there, if any, is not the index of the store that
/// is being opened. Never a reason not to start: the index can be had elsewhere.
package enum LiveIndexRefusal: Error, Equatable, CustomStringConvertible {
    case absent
    /// Another process has it open.
    case inUse
    case system(SystemError)
    /// Its process ended before the index was complete, or gave it up.
    case notLive
    /// It is of another boot, of another store, or of an earlier opening.
    case mismatch
    case damaged(String)

    package var description: String {
        switch self {
        case .absent: "mapped index: there is none"
        case .inUse: "mapped index: another process uses it"
        case .system(let error): "mapped index: \(error)"
        case .notLive: "mapped index: it was not complete, or was given up"
        case .mismatch: "mapped index: of another boot, of another store, or of an earlier opening"
        case .damaged(let text): "mapped index: damaged: \(text)"
        }
    }

    init(_ error: IndexError) {
        switch error {
        case .memory(let error): self = .system(error)
        case .damaged(let text): self = .damaged(text)
        case .full, .tooManyEqualHashes: self = .damaged("\(error)")
        }
    }
}

extension IndexStorage where Memory: ~Copyable {
    /// Takes over the index in `memory` if it is that of `identity`, puts right
    /// what a kill interrupted, and checks every slot's place. The mark stays:
    /// until `publishLive` says otherwise the memory is still that index.
    /// - Parameter partitionCount: need not be that of the process before.
    /// - Complexity: O(slots), about 12 ns each.
    package static func adoptLive(
        _ memory: consuming Memory, _ identity: LiveIndexIdentity, partitionCount: Int,
        regionPagesMax: Int = IndexLayout.regionPagesMax
    ) throws(LiveIndexRefusal) -> LiveIndex<Memory> {
        let storage: IndexStorage
        do throws(IndexError) {
            storage = try IndexStorage(left: memory, partitionCount: partitionCount, regionPagesMax: regionPagesMax)
        } catch {
            throw LiveIndexRefusal(error)
        }
        let applied = try storage.appliedCommits(of: identity)
        do throws(IndexError) {
            try storage.recoverDirectory()
            for partition in 0..<partitionCount {
                let index = try storage.takePartition(partition)
                try storage.redoCounts(index)
            }
        } catch {
            throw LiveIndexRefusal(error)
        }
        return LiveIndex(storage: storage, applied: applied)
    }
}

extension IndexStorage<SharedIndexMemory> {
    /// ``adoptLive(_:_:partitionCount:regionPagesMax:)`` of the file at `path`.
    package static func adoptLive(
        path: String, _ identity: LiveIndexIdentity, partitionCount: Int,
        windowCount: Int = IndexLayout.windowCountDefault, indexBytesMax: Int = .max
    ) throws(LiveIndexRefusal) -> LiveIndex<SharedIndexMemory> {
        let memory: SharedIndexMemory
        do throws(SystemError) {
            memory = try SharedIndexMemory(
                path: path, .adopt, windowCount: windowCount, indexBytesMax: indexBytesMax)
        } catch {
            switch error.code {
            case ENOENT: throw .absent
            case EWOULDBLOCK: throw .inUse
            default: throw .system(error)
            }
        }
        return try adoptLive(memory, identity, partitionCount: partitionCount)
    }
}
