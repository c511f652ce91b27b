import Glibc

/// A device on a ``SimulatedMedia``: a queue, a depth and tokens of its own. Several
/// shards have one each on the same media. Everything that a shard decides runs
/// unchanged over it.
///
/// A write's bytes are copied when it is queued and compared when it completes: the
/// media counts those that changed in between. A device that goes while requests
/// are in flight acts as the kernel does at the end of a process: what was submitted
/// is carried out, what was only queued is not. After a crash of the media it takes
/// no more requests.
package struct SimulatedDisk: BlockDevice, ~Copyable {
    package let alignment = SimulatedMedia.sectorBytes
    package let depthMax: Int
    package var pendingCount: Int { queued.count + lane.inFlight.count }

    private let media: SimulatedMedia
    private let lane = SimulatedLane()
    private var queued: [SimulatedRequest] = []

    package init(media: SimulatedMedia, depthMax: Int) {
        self.media = media
        self.depthMax = depthMax
        media.lanes.append(lane)
    }

    deinit {
        for request in queued { request.free() }
        media.close(lane)
    }

    package mutating func queueRead(
        offset: Int, into buffer: UnsafeMutableRawPointer, byteCount: Int, token: UInt32
    ) {
        check(offset, buffer, byteCount)
        queue(.read(buffer, offset: offset, byteCount: byteCount), token)
    }

    package mutating func queueWrite(
        offset: Int, from buffer: UnsafeRawPointer, byteCount: Int, isDurable: Bool, token: UInt32
    ) {
        check(offset, buffer, byteCount)
        precondition(offset >= 0 && byteCount > 0, "nothing to write")
        let run = SectorRun(copying: buffer, sectors: offset / alignment..<(offset + byteCount) / alignment)
        queue(.write(run, from: buffer, isDurable: isDurable), token)
    }

    package mutating func queueFlush(token: UInt32) {
        queue(.flush(upTo: media.lastNumber), token)
    }

    private func check(_ offset: Int, _ buffer: UnsafeRawPointer, _ byteCount: Int) {
        precondition(offset % alignment == 0 && byteCount % alignment == 0, "misaligned request")
        precondition(UInt(bitPattern: buffer) % UInt(alignment) == 0, "misaligned buffer")
    }

    private mutating func queue(_ action: SimulatedRequest.Action, _ token: UInt32) {
        precondition(pendingCount < depthMax, "more requests than the depth allows")
        precondition(!lane.hasCrashed, "a request after the crash")
        queued.append(SimulatedRequest(action: action, token: token))
    }

    package mutating func submit() {
        for request in queued { lane.inFlight.append(media.scheduled(request)) }
        queued.removeAll(keepingCapacity: true)
    }

    package mutating func nextCompletion() -> IOCompletion? {
        guard let request = lane.takeDue(media.now, using: &media.random) else { return nil }
        return IOCompletion(token: request.token, result: media.carryOut(request))
    }
}

/// A request of a simulated device. Plain data: a write's copy is freed by hand.
struct SimulatedRequest {
    enum Action {
        case read(UnsafeMutableRawPointer, offset: Int, byteCount: Int)
        case write(SectorRun, from: UnsafeRawPointer, isDurable: Bool)
        case flush(upTo: UInt64)
    }

    let action: Action
    let token: UInt32
    var dueTick = 0

    func free() {
        if case .write(let run, _, _) = action { run.free() }
    }
}

/// What one device has in flight, in the reach of the media that may crash.
final class SimulatedLane {
    var inFlight: [SimulatedRequest] = []
    private(set) var hasCrashed = false

    /// Any of those that are due, each as likely.
    func takeDue(_ now: Int, using random: inout SplitMix64) -> SimulatedRequest? {
        let dueCount = inFlight.count { $0.dueTick <= now }
        guard dueCount > 0 else { return nil }
        var skipCount = Int.random(in: 0..<dueCount, using: &random)
        for position in inFlight.indices where inFlight[position].dueTick <= now {
            if skipCount == 0 {
                inFlight.swapAt(position, inFlight.count - 1)
                return inFlight.popLast()
            }
            skipCount -= 1
        }
        return nil
    }

    /// Ends everything. - Returns: the writes that were in flight, which the caller frees.
    func crash() -> [SectorRun] {
        hasCrashed = true
        defer { inFlight.removeAll() }
        return inFlight.compactMap { request in
            if case .write(let run, _, _) = request.action { run } else { nil }
        }
    }

    func drop() {
        for run in crash() { run.free() }
    }
}

extension SimulatedMedia {
    func scheduled(_ request: SimulatedRequest) -> SimulatedRequest {
        var request = request
        var delayTicksMax = faults.delayTicksMax
        if happens(faults.lateCompletion) {
            faultCounts.lateCompletions += 1
            delayTicksMax = faults.lateTicksMax
        }
        request.dueTick = now + Int.random(in: 0...delayTicksMax, using: &random)
        return request
    }

    /// - Returns: the result of its completion.
    func carryOut(_ request: SimulatedRequest) -> Int {
        switch request.action {
        case .read(let buffer, let offset, let byteCount):
            return read(into: buffer, offset: offset, byteCount: byteCount, mayBeShort: true)
        case .write(let run, let buffer, let isDurable):
            if memcmp(run.bytes, buffer, run.byteRange.count) != 0 { changedBufferCount += 1 }
            return write(run, isDurable: isDurable)
        case .flush(let number):
            return flush(upTo: number)
        }
    }

    /// A device goes. Buffers are gone with their process: no read is carried out. No
    /// flush fails: nobody would learn of it, and the next process could read, believe and
    /// flush in vain what a power cut takes back; no store can know.
    func close(_ lane: SimulatedLane) {
        let flushError = faults.flushError
        faults.flushError = 0
        defer { faults.flushError = flushError }
        for request in lane.inFlight.shuffled(using: &random) {
            switch request.action {
            case .read: break
            case .write(let run, _, let isDurable): _ = write(run, isDurable: isDurable)
            case .flush(let number): _ = flush(upTo: number)
            }
        }
        lane.inFlight.removeAll()
        lanes.removeAll { $0 === lane }
    }
}
