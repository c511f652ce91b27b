/// A disk in memory that does what real disks do at their worst, from a seed: the
/// same seed and the same calls give the same faults.
///
/// - Completions come late and in any order.
/// - Reads end short, at a multiple of the sector or in the middle of one.
/// - Reads fail with EIO.
/// - A bit of what was read is flipped; what is stored stays as it is, so that
///   the same read may succeed the next time.
///
/// Time passes by `tick()`. Everything that a shard decides runs unchanged over
/// this device.
package struct SimulatedDisk: BlockDevice, ~Copyable {
    /// Probabilities of 0...1 per read, unless said otherwise.
    package struct Faults: Sendable {
        /// A request takes 0 to so many ticks.
        package var delayTicksMax = 0
        package var shortRead = 0.0
        package var ioError = 0.0
        package var flippedBit = 0.0

        package init() {}
    }

    package let alignment = 512
    package let depthMax: Int
    package var pendingCount: Int { queued.count + inFlight.count }
    package var faults = Faults()
    /// How often each fault has happened.
    package private(set) var faultCounts = FaultCounts()
    /// Reads that reached the disk, to hold against the shard's own count.
    package private(set) var readCount: UInt64 = 0

    package struct FaultCounts: Equatable, Sendable {
        package var shortReads = 0
        package var ioErrors = 0
        package var flippedBits = 0
    }

    private struct Request {
        let offset: Int
        let buffer: UnsafeMutableRawPointer
        let byteCount: Int
        let token: UInt32
        var dueTick = 0
        var isWrite = false
    }

    private let storage: UnsafeMutableRawBufferPointer
    private var random: SplitMix64
    private var queued: [Request] = []
    private var inFlight: [Request] = []
    private var now = 0

    /// - Parameter byteCount: the size of the disk, which starts as zeros.
    package init(byteCount: Int, depthMax: Int, seed: UInt64) {
        storage = .allocate(byteCount: byteCount, alignment: 4096)
        storage.initializeMemory(as: UInt8.self, repeating: 0)
        self.depthMax = depthMax
        random = SplitMix64(seed: seed)
    }

    deinit {
        storage.deallocate()
    }

    /// What is stored, for a test to fill and to damage.
    package var contents: UnsafeMutableRawBufferPointer { storage }

    package mutating func queueRead(
        offset: Int, into buffer: UnsafeMutableRawPointer, byteCount: Int, token: UInt32
    ) {
        precondition(pendingCount < depthMax, "more requests than the depth allows")
        precondition(offset % alignment == 0 && byteCount % alignment == 0, "misaligned read")
        precondition(UInt(bitPattern: buffer) % UInt(alignment) == 0, "misaligned buffer")
        queued.append(Request(offset: offset, buffer: buffer, byteCount: byteCount, token: token))
    }

    package mutating func queueWrite(
        offset: Int, from buffer: UnsafeRawPointer, byteCount: Int, isDurable: Bool, token: UInt32
    ) {
        precondition(pendingCount < depthMax, "more requests than the depth allows")
        var request = Request(
            offset: offset, buffer: UnsafeMutableRawPointer(mutating: buffer), byteCount: byteCount, token: token)
        request.isWrite = true
        queued.append(request)
    }

    package mutating func queueFlush(token: UInt32) {
        precondition(pendingCount < depthMax, "more requests than the depth allows")
        queued.append(Request(offset: 0, buffer: storage.baseAddress!, byteCount: 0, token: token))
    }

    package mutating func submit() {
        for var request in queued {
            request.dueTick = now + Int.random(in: 0...faults.delayTicksMax, using: &random)
            inFlight.append(request)
        }
        queued.removeAll(keepingCapacity: true)
    }

    /// Lets time pass.
    package mutating func tick() {
        now += 1
    }

    package mutating func nextCompletion() -> IOCompletion? {
        let due = inFlight.indices.filter { inFlight[$0].dueTick <= now }
        guard let position = due.randomElement(using: &random) else { return nil }
        let request = inFlight.remove(at: position)
        if request.isWrite {
            let count = max(0, min(request.byteCount, storage.count - request.offset))
            (storage.baseAddress! + request.offset).copyMemory(from: request.buffer, byteCount: count)
            return IOCompletion(token: request.token, result: count)
        }
        readCount += 1
        return IOCompletion(token: request.token, result: carryOut(request))
    }

    private mutating func carryOut(_ request: Request) -> Int {
        if happens(faults.ioError) {
            faultCounts.ioErrors += 1
            return -5  // EIO
        }
        var count = max(0, min(request.byteCount, storage.count - request.offset))
        if count > 0, happens(faults.shortRead) {
            faultCounts.shortReads += 1
            count = Int.random(in: 0..<count, using: &random)
        }
        guard count > 0 else { return 0 }
        request.buffer.copyMemory(from: storage.baseAddress! + request.offset, byteCount: count)
        if happens(faults.flippedBit) {
            faultCounts.flippedBits += 1
            let bit = Int.random(in: 0..<(8 * count), using: &random)
            let byte = request.buffer.load(fromByteOffset: bit / 8, as: UInt8.self)
            request.buffer.storeBytes(of: byte ^ (1 << UInt8(bit % 8)), toByteOffset: bit / 8, as: UInt8.self)
        }
        return count
    }

    private mutating func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }
}
