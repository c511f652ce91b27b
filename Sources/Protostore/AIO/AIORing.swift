import Clibaio
import Synchronization

/// The ring of completions that the kernel shares with the process. Its layout is
/// fixed by its magic number (fs/aio.c, `struct aio_ring`):
///
/// ```
/// offset size  field
///   0     4    id           8   4  head (ours)     16  4  magic 0xa10a10a1
///   4     4    nr          12   4  tail (kernel's) 20  4  compatible features
///  24     4    incompatible features               28  4  header bytes
///  32    32*n  events: data u64, iocb u64, result i64, result2 i64
/// ```
struct AIORing {
    private static let magic: UInt32 = 0xA10A_10A1
    private static let headerBytes = 32

    private let base: UnsafeMutableRawPointer

    /// - Returns: nil where magic or features are not those above.
    init?(of context: io_context_t) {
        let base = UnsafeMutableRawPointer(context)
        guard base.load(fromByteOffset: 16, as: UInt32.self) == Self.magic,
            base.load(fromByteOffset: 24, as: UInt32.self) == 0,
            base.load(fromByteOffset: 28, as: UInt32.self) == UInt32(Self.headerBytes)
        else { return nil }
        self.base = base
    }

    /// Takes out what is done. Called by one thread only, and never while
    /// io_getevents runs.
    /// - Returns: the number of events written to `events`, `countMax` at most.
    func collect(into events: UnsafeMutablePointer<io_event>, countMax: Int) -> Int {
        let size = base.load(fromByteOffset: 4, as: UInt32.self)
        let headCounter = (base + 8).assumingMemoryBound(to: Atomic<UInt32>.self)
        let tailCounter = (base + 12).assumingMemoryBound(to: Atomic<UInt32>.self)
        // Only this thread moves head. Acquiring: the kernel wrote the events before the tail.
        var head = headCounter.pointee.load(ordering: .relaxed)
        let tail = tailCounter.pointee.load(ordering: .acquiring)
        guard head < size, tail < size else { return 0 }
        let first = (base + Self.headerBytes).assumingMemoryBound(to: io_event.self)
        var count = 0
        while head != tail && count < countMax {
            events[count] = first[Int(head)]
            count += 1
            head = head + 1 == size ? 0 : head + 1
        }
        // Releasing: the events are copied before the kernel may reuse their places.
        headCounter.pointee.store(head, ordering: .releasing)
        return count
    }
}
