import var Glibc.EIO

/// A file whose process dies at one of its calls: that call is carried out in part
/// or not at all, and it and all later ones throw.
struct DoomedFile: BlockFile {
    private final class Fate {
        var callsLeft: Int
        var random: SplitMix64

        init(callsLeft: Int, random: SplitMix64) {
            self.callsLeft = callsLeft
            self.random = random
        }
    }

    private let media: SimulatedMedia
    private let fate: Fate

    /// - Parameter callsLeft: which so many calls survive; `.max` = the process does.
    init(_ media: SimulatedMedia, callsLeft: Int, random: SplitMix64) {
        self.media = media
        fate = Fate(callsLeft: callsLeft, random: random)
    }

    var isDead: Bool { fate.callsLeft < 0 }
    var alignment: Int { media.alignment }

    /// - Returns: whether the call is the last one, and happens in part.
    private func spend() throws(SystemError) -> Bool {
        guard fate.callsLeft >= 0 else { throw died }
        fate.callsLeft -= 1
        return fate.callsLeft < 0
    }

    private var died: SystemError { SystemError("call", code: EIO, on: "a process that has died") }

    func byteCount() throws(SystemError) -> Int {
        if try spend() { throw died }
        return try media.byteCount()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        if try spend() { throw died }
        return try media.read(into: buffer, at: offset)
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        guard try spend() else { return try media.write(buffer, at: offset) }
        let sectors = Int.random(in: 0...(buffer.count / SimulatedMedia.sectorBytes), using: &fate.random)
        let part = UnsafeRawBufferPointer(rebasing: buffer[..<(sectors * SimulatedMedia.sectorBytes)])
        try media.write(part, at: offset)
        throw died
    }

    func synchronize() throws(SystemError) {
        guard try spend() else { return try media.synchronize() }
        if Bool.random(using: &fate.random) { try media.synchronize() }
        throw died
    }

    func grow(to byteCount: Int) throws(SystemError) {
        guard try spend() else { return try media.grow(to: byteCount) }
        if Bool.random(using: &fate.random) { try media.grow(to: byteCount) }
        throw died
    }

    func giveBack(_ range: Range<Int>) throws(SystemError) {
        if try spend() { throw died }
        try media.giveBack(range)
    }

    func shrink(to byteCount: Int) throws(SystemError) {
        if try spend() { throw died }
        try media.shrink(to: byteCount)
    }

    func blockingReadEach(
        count: Int, bufferBytes: Int, depth: Int, range: (Int) -> Range<Int>,
        _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(SystemError) {
        if try spend() { throw died }
        try media.blockingReadEach(count: count, bufferBytes: bufferBytes, depth: depth, range: range, body)
    }
}
