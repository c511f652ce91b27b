import Clibaio
import Glibc
import Synchronization

/// A file through Linux' native AIO (libaio), opened with O_DIRECT.
///
/// One `io_submit` per turn carries all that was queued. Completions raise an
/// eventfd, and are taken out of the ring that the kernel shares with the
/// process, so that collecting them needs no system call. The ring's layout is
/// fixed by its magic number (fs/aio.c, `struct aio_ring`):
///
/// ```
/// offset size  field
///   0     4    id           8   4  head (ours)     16  4  magic 0xa10a10a1
///   4     4    nr          12   4  tail (kernel's) 20  4  compatible features
///  24     4    incompatible features               28  4  header bytes
///  32    32*n  events: data u64, iocb u64, result i64, result2 i64
/// ```
///
/// Where magic or features differ, `io_getevents` is called instead.
///
/// Errors: io_submit gives `-errno`. EAGAIN (out of requests) and EINTR leave the
/// rest queued; anything else is the fault of the first request in the batch and
/// becomes its completion, so that one bad request never stops the others.
package struct LinuxAIODevice: BlockDevice, ~Copyable {
    package let alignment: Int
    package let depthMax: Int
    package var pendingCount: Int { queuedCount + inFlightCount }
    package private(set) var inFlightCount = 0
    /// Whether the kernel has not taken everything yet.
    package var hasQueued: Bool { queuedCount > 0 }
    /// io_submit and io_getevents calls so far.
    package private(set) var systemCallCount: UInt64 = 0

    private let file: CInt
    private let completionDescriptor: CInt
    private let context: io_context_t
    /// Iocbs, and pointers to them in the order of submission; the kernel copies
    /// an iocb when it takes it, so both are free again after `submit`.
    private let requests: UnsafeMutablePointer<iocb>
    private let pointers: UnsafeMutablePointer<UnsafeMutablePointer<iocb>?>
    private var queuedCount = 0
    private let events: UnsafeMutablePointer<io_event>
    private var eventCount = 0
    private var eventNext = 0
    /// Requests that io_submit refused, as completions.
    private var refused: Ring<IOCompletion>
    private let sharedRing: UnsafeMutableRawPointer?

    /// - Parameters:
    ///   - file: stays open as long as this device; alignment is asked of it.
    ///   - depthMax: requests in flight at most; the kernel keeps room for so many
    ///     out of fs.aio-max-nr.
    ///   - completionDescriptor: an eventfd, raised at each completion.
    /// - Throws: EAGAIN from io_setup when fs.aio-max-nr does not suffice.
    package init(
        file: borrowing FileDescriptor, depthMax: Int, completionDescriptor: CInt
    ) throws(SystemError) {
        precondition(depthMax > 0)
        var context: io_context_t?
        let code = io_setup(CInt(depthMax), &context)
        guard code == 0, let context else { throw SystemError("io_setup", code: -code) }
        self.context = context
        self.file = file.rawValue
        self.alignment = file.directIOAlignment()
        self.depthMax = depthMax
        self.completionDescriptor = completionDescriptor
        requests = .allocate(capacity: depthMax)
        requests.initialize(repeating: iocb(), count: depthMax)
        pointers = .allocate(capacity: depthMax)
        for index in 0..<depthMax { (pointers + index).initialize(to: requests + index) }
        events = .allocate(capacity: depthMax)
        refused = Ring(capacity: depthMax)
        sharedRing = Self.sharedRing(of: context)
    }

    deinit {
        // Waits for everything in flight, so that no buffer is written to later.
        io_destroy(context)
        requests.deallocate()
        pointers.deallocate()
        events.deallocate()
    }

    package mutating func queueRead(
        offset: Int, into buffer: UnsafeMutableRawPointer, byteCount: Int, token: UInt32
    ) {
        precondition(pendingCount < depthMax)
        let request = pointers[queuedCount]!
        io_prep_pread(request, file, buffer, byteCount, Int64(offset))
        io_set_eventfd(request, completionDescriptor)
        request.pointee.data = UnsafeMutableRawPointer(bitPattern: UInt(token))
        queuedCount += 1
    }

    package mutating func submit() {
        var done = 0
        while done < queuedCount {
            let taken = io_submit(context, queuedCount - done, pointers + done)
            systemCallCount &+= 1
            if taken > 0 {
                done += Int(taken)
                inFlightCount += Int(taken)
            } else if taken == -EAGAIN || taken == 0 {
                break
            } else if taken != -EINTR {
                let token = UInt32(UInt(bitPattern: pointers[done]!.pointee.data))
                refused.append(IOCompletion(token: token, result: Int(taken)))
                // No completion of the kernel's will announce it.
                WakeDescriptor.wake(completionDescriptor)
                inFlightCount += 1
                done += 1
            }
        }
        keepQueued(from: done)
    }

    /// Moves what was not taken to the front; the pointers only change places.
    private mutating func keepQueued(from done: Int) {
        if done > 0 && done < queuedCount {
            for index in done..<queuedCount {
                // Not `swap`: with ThreadSanitizer it crashes the compiler (Swift 6.3.1).
                let taken = pointers[index - done]
                (pointers + (index - done)).pointee = pointers[index]
                (pointers + index).pointee = taken
            }
        }
        queuedCount -= done
    }

    package mutating func nextCompletion() -> IOCompletion? {
        if let completion = refused.popFirst() {
            inFlightCount -= 1
            return completion
        }
        if eventNext == eventCount {
            guard inFlightCount > 0, collect() else { return nil }
        }
        let event = events[eventNext]
        eventNext += 1
        inFlightCount -= 1
        return IOCompletion(token: UInt32(UInt(bitPattern: event.data)), result: Int(bitPattern: event.res))
    }

    // MARK: Collecting

    /// Waits until `count` requests are done, or until the time is over. What was
    /// done comes out of `nextCompletion`.
    package mutating func blockingWaitForCompletions(atLeast count: Int, nanosecondsMax: Int) {
        guard eventNext == eventCount, inFlightCount >= count else { return }
        var timeout = timespec(tv_sec: 0, tv_nsec: nanosecondsMax)
        systemCallCount &+= 1
        let collected = io_getevents(context, count, depthMax, events, &timeout)
        eventNext = 0
        eventCount = max(0, Int(collected))
    }

    private static let ringMagic: UInt32 = 0xA10A_10A1
    private static let ringHeaderBytes = 32

    private static func sharedRing(of context: io_context_t) -> UnsafeMutableRawPointer? {
        let ring = UnsafeMutableRawPointer(context)
        guard ring.load(fromByteOffset: 16, as: UInt32.self) == ringMagic,
            ring.load(fromByteOffset: 24, as: UInt32.self) == 0,
            ring.load(fromByteOffset: 28, as: UInt32.self) == UInt32(ringHeaderBytes)
        else { return nil }
        return ring
    }

    /// Fills `events` with what is done. - Returns: whether there was anything.
    private mutating func collect() -> Bool {
        eventNext = 0
        if let sharedRing { eventCount = collect(from: sharedRing) } else { eventCount = collectByCall() }
        return eventCount > 0
    }

    private func collect(from ring: UnsafeMutableRawPointer) -> Int {
        let size = ring.load(fromByteOffset: 4, as: UInt32.self)
        let headCounter = (ring + 8).assumingMemoryBound(to: Atomic<UInt32>.self)
        let tailCounter = (ring + 12).assumingMemoryBound(to: Atomic<UInt32>.self)
        // Only this thread moves head. Acquiring: the kernel wrote the events before the tail.
        var head = headCounter.pointee.load(ordering: .relaxed)
        let tail = tailCounter.pointee.load(ordering: .acquiring)
        guard head < size, tail < size else { return 0 }
        let first = (ring + Self.ringHeaderBytes).assumingMemoryBound(to: io_event.self)
        var count = 0
        while head != tail && count < depthMax {
            events[count] = first[Int(head)]
            count += 1
            head = head + 1 == size ? 0 : head + 1
        }
        // Releasing: the events are copied before the kernel may reuse their places.
        headCounter.pointee.store(head, ordering: .releasing)
        return count
    }

    private mutating func collectByCall() -> Int {
        var timeout = timespec(tv_sec: 0, tv_nsec: 0)
        systemCallCount &+= 1
        return max(0, Int(io_getevents(context, 0, depthMax, events, &timeout)))
    }
}
