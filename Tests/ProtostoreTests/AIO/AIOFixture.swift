import Testing

@testable import Protostore

/// A file whose block i is full of bytes i, its device, and buffers for `depth` blocks.
final class AIOFixture {
    static let blockCount = 64
    static let lastBytes = 512

    let scratch: ScratchDirectory
    let file: FileDescriptor
    let wake: WakeDescriptor
    let epoll: Epoll
    let memory: MemoryMapping
    var device: LinuxAIODevice

    init(depth: Int, kernelDepth: Int? = nil) throws {
        scratch = try ScratchDirectory()
        var bytes = (0..<Self.blockCount).flatMap { [UInt8](repeating: UInt8($0), count: 4096) }
        bytes += [UInt8](repeating: 0xEE, count: Self.lastBytes)
        try scratch.write(bytes, to: "data")
        file = try FileDescriptor.open(scratch.file("data"), [.direct, .write])
        wake = try WakeDescriptor()
        epoll = try Epoll(capacity: 1)
        try epoll.add(wake.rawValue, [.readable, .edgeTriggered], data: 0)
        memory = try MemoryMapping(anonymous: depth * 8192)
        device = try LinuxAIODevice(
            file: file, depthMax: depth, completionDescriptor: wake.rawValue, kernelDepth: kernelDepth)
    }

    func buffer(_ token: Int) -> UnsafeMutableRawPointer { memory.base + token * 8192 }

    func read(_ token: Int, offset: Int, byteCount: Int = 4096) {
        device.queueRead(offset: offset, into: buffer(token), byteCount: byteCount, token: UInt32(token))
    }

    func write(_ token: Int, offset: Int, byteCount: Int = 4096, isDurable: Bool = false) {
        device.queueWrite(
            offset: offset, from: buffer(token), byteCount: byteCount, isDurable: isDurable, token: UInt32(token))
    }

    /// The results of at least `count` requests by token, waiting as an event loop does: without looking unless it was woken.
    func collect(_ count: Int) throws -> [UInt32: Int] {
        var results: [UInt32: Int] = [:]
        while results.count < count {
            guard try epoll.blockingWaitForEvents(timeoutMilliseconds: 10_000) > 0 else { break }
            while let completion = device.nextCompletion() {
                let earlier = results.updateValue(completion.result, forKey: completion.token)
                #expect(earlier == nil, "completed twice")
            }
        }
        return results
    }
}
