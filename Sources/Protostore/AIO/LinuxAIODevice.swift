import Clibaio
import Glibc
import var CLinux.linux_RWF_DSYNC

/// A file through Linux' native AIO (libaio), opened with O_DIRECT.
///
/// One `io_submit` per turn carries all that was queued. Completions raise an
/// eventfd, and are taken out of the ring that the kernel shares with the process
/// (``AIORing``), so that collecting them needs no system call. Where the ring is
/// of an unknown kind, `io_getevents` is called instead.
///
/// A durable write is one request with RWF_DSYNC, a flush is IOCB_CMD_FDSYNC: the
/// kernel carries out both without blocking io_submit. Kernels that know neither
/// refuse them, and that is the request's completion.
///
/// Errors: io_submit gives `-errno`. EAGAIN (out of requests) leaves the rest queued;
/// anything else is the fault of the first request in the batch and becomes its
/// completion, so that one bad request never stops the others. ``StorageFailure``
/// has the table. io_getevents is called again by the next look after any error.
package struct LinuxAIODevice: BlockDevice, ~Copyable {
    package let alignment: Int
    package let depthMax: Int
    package var pendingCount: Int { queuedCount + inFlightCount }
    package private(set) var inFlightCount = 0
    /// Whether the kernel has not taken everything yet.
    package var hasQueued: Bool { queuedCount > 0 }
    /// io_submit and io_getevents calls so far.
    package private(set) var systemCallCount: UInt64 = 0
    /// Why io_getevents failed last, but for signals: what is in flight stays
    /// unreported while it does.
    package private(set) var collectFailure: SystemError?
    /// How often it did so since it last succeeded.
    package private(set) var collectFailureCount = 0

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
    private let sharedRing: AIORing?

    /// - Parameters:
    ///   - file: stays open as long as this device; alignment is asked of it.
    ///   - depthMax: requests in flight at most; the kernel keeps room for so many
    ///     out of fs.aio-max-nr.
    ///   - completionDescriptor: an eventfd, raised at each completion.
    ///   - kernelDepth: how many requests the kernel is asked to keep room for, where
    ///     it shall run out of room sooner (a test).
    /// - Throws: EAGAIN from io_setup when fs.aio-max-nr does not suffice.
    package init(
        file: borrowing FileDescriptor, depthMax: Int, completionDescriptor: CInt, kernelDepth: Int? = nil
    ) throws(SystemError) {
        precondition(depthMax > 0)
        var context: io_context_t?
        let code = io_setup(CInt(clamping: kernelDepth ?? depthMax), &context)
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
        sharedRing = AIORing(of: context)
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
        let request = nextRequest()
        io_prep_pread(request, file, buffer, byteCount, Int64(offset))
        append(request, token: token)
    }

    package mutating func queueWrite(
        offset: Int, from buffer: UnsafeRawPointer, byteCount: Int, isDurable: Bool, token: UInt32
    ) {
        let request = nextRequest()
        io_prep_pwrite(request, file, UnsafeMutableRawPointer(mutating: buffer), byteCount, Int64(offset))
        if isDurable { request.pointee.aio_rw_flags = linux_RWF_DSYNC }
        append(request, token: token)
    }

    package mutating func queueFlush(token: UInt32) {
        let request = nextRequest()
        io_prep_fdsync(request, file)
        append(request, token: token)
    }

    private func nextRequest() -> UnsafeMutablePointer<iocb> {
        precondition(pendingCount < depthMax, "more requests than the depth allows")
        return pointers[queuedCount]!
    }

    private mutating func append(_ request: UnsafeMutablePointer<iocb>, token: UInt32) {
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
            } else if taken == 0 || StorageFailure(.ioSubmit, code: -taken).kind == .later {
                break
            } else {
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
        var timeout = timespec(tv_sec: nanosecondsMax / 1_000_000_000, tv_nsec: nanosecondsMax % 1_000_000_000)
        systemCallCount &+= 1
        let collected = io_getevents(context, count, depthMax, events, &timeout)
        eventNext = 0
        eventCount = max(0, Int(collected))
    }

    /// Fills `events` with what is done. - Returns: whether there was anything.
    private mutating func collect() -> Bool {
        eventNext = 0
        if let sharedRing {
            eventCount = sharedRing.collect(into: events, countMax: depthMax)
        } else {
            eventCount = collectByCall()
        }
        return eventCount > 0
    }

    private mutating func collectByCall() -> Int {
        var timeout = timespec(tv_sec: 0, tv_nsec: 0)
        systemCallCount &+= 1
        let count = io_getevents(context, 0, depthMax, events, &timeout)
        guard count < 0 else {
            collectFailureCount = 0
            return Int(count)
        }
        if StorageFailure(.ioGetevents, code: -count).kind != .retry {
            collectFailure = SystemError("io_getevents", code: -count)
            collectFailureCount += 1
        }
        // What is done raised the descriptor before: raise it again for the next look.
        WakeDescriptor.wake(completionDescriptor)
        return 0
    }
}
