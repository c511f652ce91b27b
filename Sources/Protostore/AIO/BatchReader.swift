/// Reads many ranges of a file, many at a time, and hands each one over as it
/// comes: for opening a store, where the order does not matter and the number of
/// reads does.
package struct BatchReader: ~Copyable {
    private var device: LinuxAIODevice
    private let epoll: Epoll
    private let wake: WakeDescriptor
    private let memory: MemoryMapping
    private let bufferBytes: Int
    private let depth: Int

    /// - Parameters:
    ///   - bufferBytes: the largest range, a multiple of 4 KiB.
    ///   - depth: how many reads at a time, each with a buffer of its own.
    package init(file: borrowing FileDescriptor, bufferBytes: Int, depth: Int) throws(SystemError) {
        let wake = try WakeDescriptor()
        let epoll = try Epoll(capacity: 1)
        try epoll.add(wake.rawValue, [.readable, .edgeTriggered], data: 0)
        let memory = try MemoryMapping(anonymous: depth * bufferBytes)
        device = try LinuxAIODevice(file: file, depthMax: depth, completionDescriptor: wake.rawValue)
        self.wake = wake
        self.epoll = epoll
        self.memory = memory
        self.bufferBytes = bufferBytes
        self.depth = depth
    }

    /// Reads ranges 0 ..< count.
    /// - Parameters:
    ///   - range: which bytes of the file; aligned for direct I/O.
    ///   - body: gets the number of the range and its bytes, nil where they could
    ///     not be read in full.
    package mutating func blockingRead(
        count: Int, range: (Int) -> Range<Int>, _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(SystemError) {
        // By token: which range its buffer is for.
        var pending = [Int](repeating: 0, count: depth)
        var next = 0
        var done = 0
        while next < min(count, depth) {
            queue(next, range(next), token: next)
            pending[next] = next
            next += 1
        }
        device.submit()
        while done < count {
            guard let completion = device.nextCompletion() else {
                if let failure = device.collectFailure { throw failure }
                _ = try epoll.blockingWaitForEvents(timeoutMilliseconds: 100)
                device.submit()
                continue
            }
            let token = Int(completion.token)
            let wanted = range(pending[token])
            body(pending[token], completion.result == wanted.count ? bytes(token, wanted.count) : nil)
            done += 1
            if next < count {
                queue(next, range(next), token: token)
                pending[token] = next
                next += 1
                device.submit()
            }
        }
    }

    private mutating func queue(_ index: Int, _ range: Range<Int>, token: Int) {
        precondition(range.count <= bufferBytes)
        device.queueRead(
            offset: range.lowerBound, into: memory.base + token * bufferBytes, byteCount: range.count,
            token: UInt32(token))
    }

    private func bytes(_ token: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: memory.base + token * bufferBytes, count: count)
    }
}
