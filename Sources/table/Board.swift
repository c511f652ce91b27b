import SharedTable
import Synchronization

import var Glibc.EINVAL

/// What a parent and its workers tell each other: words in a file that all of them map.
///
/// ```
/// line 0        word 0 the phase that the workers are in
/// line 1 + i    worker i: word 0 operations done, 1 phases done, 2 faults, 3 longest operation in ns,
///               4 page faults, 5 operations that it may do for now, 6 longest operation without its page
///               faults, 7 page faults of the longest operation, 8 operations of a millisecond and more
///               without page faults, 9 what a page fault takes in ns, 10 processor time of the phase in ns
/// ```
/// A line is 128 bytes: workers do not slow each other down.
final class Board {
    enum Field: Int {
        case operations, phasesDone, faults, longestNanoseconds, pageFaults, operationsMax
        case longestNetNanoseconds, longestPageFaults, slowOperations, pageFaultNanoseconds
        case processorNanoseconds
    }

    let path: String
    private let mapping: MemoryMapping
    private let parentNumber = ProcessIdentity.parentNumber
    private static let lineBytes = 128

    /// - Parameter creates: makes the file, for so many workers.
    init(path: String, workers: Int, creates: Bool) throws(SystemError) {
        self.path = path
        let file = try FileDescriptor.open(path, creates ? [.write, .create, .exclusive] : [.write, .noFollow])
        let byteCount = (1 + workers) * Self.lineBytes
        if creates {
            try file.allocate(offset: 0, byteCount: byteCount)
        } else {
            try Self.expect(byteCount, in: file, path)
        }
        mapping = try MemoryMapping(shared: file, byteCount: byteCount, writable: true)
    }

    /// To touch a mapping behind the end of its file ends a process by a signal.
    static func expect(_ byteCount: Int, in file: borrowing FileDescriptor, _ path: String) throws(SystemError) {
        guard try file.byteCount() >= byteCount else {
            throw SystemError("mmap", code: EINVAL, on: path, text: "the file is too short for so many workers")
        }
    }

    private func word(_ line: Int, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (mapping.base + line * Self.lineBytes + 8 * index).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    var phase: Int {
        get { Int(truncatingIfNeeded: word(0, 0).pointee.load(ordering: .acquiring)) }
        set { word(0, 0).pointee.store(UInt64(newValue), ordering: .releasing) }
    }

    func get(_ field: Field, of worker: Int) -> Int {
        Int(truncatingIfNeeded: word(1 + worker, field.rawValue).pointee.load(ordering: .acquiring))
    }

    func set(_ value: Int, _ field: Field, of worker: Int) {
        word(1 + worker, field.rawValue).pointee.store(UInt64(truncatingIfNeeded: value), ordering: .releasing)
    }

    /// Waits until the parent starts a phase.
    func waitForPhase(_ wanted: Int) throws(ParentEnded) {
        while phase < wanted {
            try expectParent()
            Clock.blockingSleep(nanoseconds: 200_000)
        }
    }

    struct ParentEnded: Error, CustomStringConvertible {
        let description = "the process that leads this one has ended"
    }

    /// A worker does not outlive its parent.
    func expectParent() throws(ParentEnded) {
        if ProcessIdentity.parentNumber != parentNumber { throw ParentEnded() }
    }
}
