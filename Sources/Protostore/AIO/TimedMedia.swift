import var Glibc.ENOSPC

/// A disk in memory whose requests take fixed times, on a clock of its own: figures
/// from it are exact, and the same on every machine.
///
/// ```
/// shards (TimedDisk) ---submit---> | first come, first served        | --> due at a known time
/// planner (BlockFile) --one by one-> | by the channel that is free first |
/// ```
///
/// A request takes its kind's time and that of its bytes; a durable write takes a flush's
/// time as well. Nothing fails, and nothing gets lost: for that see ``SimulatedMedia``.
///
/// The calls of ``BlockFile`` take effect at once, since their caller cannot wait for a clock
/// that only it moves on; the time that they take is spent afterwards, one call behind the
/// other, among the requests of the shards. Who made them is to wait until
/// ``isFileBusy`` is false.
///
/// Used by one thread.
package final class TimedMedia {
    /// In nanoseconds, unless said otherwise.
    package struct ServiceTimes: Sendable {
        /// Requests that are served at a time.
        package var channelCount = 1
        package var read: UInt64 = 80_000
        package var write: UInt64 = 20_000
        package var flush: UInt64 = 100_000
        package var bytesPerSecond: UInt64 = 500_000_000

        package init() {}

        fileprivate func transfer(_ byteCount: Int) -> UInt64 {
            UInt64(byteCount) * 1_000_000_000 / bytesPerSecond
        }
    }

    package let times: ServiceTimes
    /// Since the disk was made.
    package private(set) var nowNanoseconds: UInt64 = 0
    /// Time that channels spent on requests, of all channels together.
    package private(set) var busyNanoseconds: UInt64 = 0
    private let memory: MemoryMapping
    private var sizeBytes = 0
    /// When each channel has done what was submitted.
    private var freeAt: [UInt64]
    var lanes: [TimedLane] = []
    /// What the calls of the file still take, in order; the first is being served.
    private var fileCalls: [UInt64] = []
    private var fileDue: UInt64?

    /// - Parameter capacityBytes: the file cannot become longer; memory is used as far as it is written.
    package init(capacityBytes: Int, times: ServiceTimes = ServiceTimes()) throws(SystemError) {
        precondition(times.channelCount > 0 && times.bytesPerSecond > 0)
        memory = try MemoryMapping(reserving: capacityBytes, hugePages: true)
        self.times = times
        freeAt = Array(repeating: 0, count: times.channelCount)
    }

    // MARK: Time

    /// When the next request will be done, or nil where there is none.
    package var nextDue: UInt64? {
        var next = fileDue
        for lane in lanes {
            if let due = lane.nextDue, due < next ?? .max { next = due }
        }
        return next
    }

    /// Whether calls of the file are still being served.
    package var isFileBusy: Bool { fileDue != nil }

    /// Moves the clock on. - Parameter time: at most ``nextDue``.
    package func advance(to time: UInt64) {
        nowNanoseconds = max(nowNanoseconds, time)
        guard let due = fileDue, due <= nowNanoseconds else { return }
        fileDue = fileCalls.isEmpty ? nil : serve(fileCalls.removeFirst())
    }

    /// - Returns: when it will be done.
    fileprivate func serve(_ nanoseconds: UInt64) -> UInt64 {
        var channel = 0
        for other in freeAt.indices where freeAt[other] < freeAt[channel] { channel = other }
        freeAt[channel] = max(freeAt[channel], nowNanoseconds) + nanoseconds
        busyNanoseconds += nanoseconds
        return freeAt[channel]
    }

    private func spend(_ nanoseconds: UInt64) {
        if fileDue == nil { fileDue = serve(nanoseconds) } else { fileCalls.append(nanoseconds) }
    }

    // MARK: Bytes

    fileprivate func time(of action: TimedRequest.Action) -> UInt64 {
        switch action {
        case .read(_, _, let byteCount): times.read + times.transfer(byteCount)
        case .write(_, _, let byteCount, let isDurable):
            times.write + times.transfer(byteCount) + (isDurable ? times.flush : 0)
        case .flush: times.flush
        }
    }

    /// - Returns: the result of its completion.
    fileprivate func carryOut(_ action: TimedRequest.Action) -> Int {
        switch action {
        case .read(let buffer, let offset, let byteCount):
            let count = max(0, min(byteCount, sizeBytes - offset))
            buffer.copyMemory(from: memory.base + offset, byteCount: count)
            return count
        case .write(let buffer, let offset, let byteCount, _):
            precondition(offset + byteCount <= sizeBytes, "a write behind the end of the file")
            (memory.base + offset).copyMemory(from: buffer, byteCount: byteCount)
            return byteCount
        case .flush: return 0
        }
    }
}

extension TimedMedia: BlockFile {
    package var alignment: Int { SectorRun.sectorBytes }

    package func byteCount() throws(SystemError) -> Int { sizeBytes }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        return call(.read(base, offset: offset, byteCount: buffer.count))
    }

    package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        guard let base = buffer.baseAddress else { return }
        _ = call(.write(base, offset: offset, byteCount: buffer.count, isDurable: false))
    }

    package func synchronize() throws(SystemError) {
        _ = call(.flush)
    }

    private func call(_ action: TimedRequest.Action) -> Int {
        spend(time(of: action))
        return carryOut(action)
    }

    package func grow(to byteCount: Int) throws(SystemError) {
        guard byteCount > sizeBytes else { return }
        guard byteCount <= memory.byteCount else { throw SystemError("fallocate", code: ENOSPC, on: "the timed disk") }
        spend(times.write + times.transfer(byteCount - sizeBytes))
        sizeBytes = byteCount
    }

    /// What it held stays.
    package func giveBack(_ range: Range<Int>) throws(SystemError) {
        spend(times.write)
    }

    package func shrink(to byteCount: Int) throws(SystemError) {
        spend(times.write)
        sizeBytes = min(sizeBytes, byteCount)
    }

    package func blockingReadEach(
        count: Int, bufferBytes: Int, depth: Int, range: (Int) -> Range<Int>,
        _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(SystemError) {
        for number in 0..<count {
            let bytes = range(number)
            let isThere = bytes.lowerBound >= 0 && bytes.upperBound <= sizeBytes
            spend(times.read + times.transfer(bytes.count))
            body(number, isThere ? UnsafeRawBufferPointer(start: memory.base + bytes.lowerBound, count: bytes.count) : nil)
        }
    }
}

/// A shard's device on a ``TimedMedia``.
package struct TimedDisk: BlockDevice, ~Copyable {
    package let alignment = SectorRun.sectorBytes
    package let depthMax: Int
    package var pendingCount: Int { queued.count + lane.inFlight.count }

    private let media: TimedMedia
    private let lane = TimedLane()
    private var queued: [TimedRequest] = []

    package init(media: TimedMedia, depthMax: Int) {
        self.media = media
        self.depthMax = depthMax
        media.lanes.append(lane)
    }

    deinit {
        media.lanes.removeAll { [lane] in $0 === lane }
    }

    package mutating func queueRead(
        offset: Int, into buffer: UnsafeMutableRawPointer, byteCount: Int, token: UInt32
    ) {
        queue(.read(buffer, offset: offset, byteCount: byteCount), token)
    }

    package mutating func queueWrite(
        offset: Int, from buffer: UnsafeRawPointer, byteCount: Int, isDurable: Bool, token: UInt32
    ) {
        queue(.write(buffer, offset: offset, byteCount: byteCount, isDurable: isDurable), token)
    }

    package mutating func queueFlush(token: UInt32) {
        queue(.flush, token)
    }

    private mutating func queue(_ action: TimedRequest.Action, _ token: UInt32) {
        precondition(pendingCount < depthMax, "more requests than the depth allows")
        queued.append(TimedRequest(action: action, token: token))
    }

    package mutating func submit() {
        for var request in queued {
            request.due = media.serve(media.time(of: request.action))
            lane.inFlight.append(request)
        }
        queued.removeAll(keepingCapacity: true)
    }

    package mutating func nextCompletion() -> IOCompletion? {
        guard let request = lane.takeDue(media.nowNanoseconds) else { return nil }
        return IOCompletion(token: request.token, result: media.carryOut(request.action))
    }
}

struct TimedRequest {
    enum Action {
        case read(UnsafeMutableRawPointer, offset: Int, byteCount: Int)
        case write(UnsafeRawPointer, offset: Int, byteCount: Int, isDurable: Bool)
        case flush
    }

    let action: Action
    let token: UInt32
    var due: UInt64 = 0
}

/// What one device has in flight.
final class TimedLane {
    var inFlight: [TimedRequest] = []

    var nextDue: UInt64? {
        var next: UInt64?
        for request in inFlight where request.due < next ?? .max { next = request.due }
        return next
    }

    /// The one that was done first, if any is.
    func takeDue(_ now: UInt64) -> TimedRequest? {
        var first: Int?
        for position in inFlight.indices where inFlight[position].due <= now {
            if first == nil || inFlight[position].due < inFlight[first ?? 0].due { first = position }
        }
        return first.map { inFlight.remove(at: $0) }
    }
}
