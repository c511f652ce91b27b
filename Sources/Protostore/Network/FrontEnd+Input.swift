/// From bytes to requests.
///
/// ```
/// recv into scratch            whole requests start from there: a read's key and a
///                              write's value are copied; the rest is held
/// recv behind what is held     only for the rest of a large write, and no more than that:
///                              its value then stays in the buffer it was received in
/// ```
///
/// Held buffers grow with what has come, by doubling, never to a length that a
/// client has only announced.
extension FrontEnd {
    /// Requests up to this size are put together in scratch, where more can come in
    /// the same recv. Copying larger ones again for each piece would cost more than
    /// a recv.
    private static let joinedInScratchBytesMax = 16 << 10

    /// Serves every connection that became ready, each with one recv at most.
    mutating func serve() {
        serveLines()
        for _ in 0..<ready.count {
            guard let index = ready.popFirst() else { break }
            guard connections.contains(index), connections.at(index).pointee.isReady else { continue }
            connections.at(index).pointee.isReady = false
            serve(index)
        }
    }

    /// Lets those in line go on while there is room, a few per turn.
    private mutating func serveLines() {
        for _ in 0..<16 {
            guard let index = nextInLine else { return }
            goOn(index)
        }
    }

    private mutating func serve(_ index: UInt32) {
        let connection = connections.at(index)
        guard connection.pointee.blocked == .no, !isDraining, !connection.pointee.isInputEnded else { return }
        guard serveHeld(index), connection.pointee.isReadable else { return }
        let held = connection.pointee.held.bytes
        if case .needMore(let requestBytes) = parse(held, at: 0), requestBytes > Self.joinedInScratchBytesMax {
            receiveBehindHeld(index, missingBytes: requestBytes - held.count)
        } else {
            receiveIntoScratch(index)
        }
    }

    private func parse(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> NativeProtocol.Request {
        NativeProtocol.parseRequest(bytes.bytes, at: offset, valueBytesMax: limits.valueBytesMax)
    }

    // MARK: Receiving

    /// Behind the part of a request that an earlier recv left.
    private mutating func receiveIntoScratch(_ index: UInt32) {
        let held = connections.at(index).pointee.held.bytes
        scratch.copyMemory(from: held)
        guard let count = receive(into: UnsafeMutableRawBufferPointer(rebasing: scratch[held.count...]), of: index)
        else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<(held.count + count)])
        guard let consumed = takeRequests(from: bytes, of: index) else { return }
        hold(UnsafeRawBufferPointer(rebasing: bytes[consumed...]), of: index)
    }

    /// The rest of a large request, and nothing beyond it.
    private mutating func receiveBehindHeld(_ index: UInt32, missingBytes: Int) {
        let connection = connections.at(index)
        let byteCount = min(missingBytes, max(connection.pointee.held.count, BufferArena.unitBytes))
        guard let place = connection.pointee.held.reserve(byteCount, in: &arena) else {
            return closeForCause(index, "no memory is left for its unfinished request")
        }
        guard let count = receive(into: UnsafeMutableRawBufferPointer(start: place, count: byteCount), of: index)
        else { return }
        connection.pointee.held.append(count)
        if count == missingBytes { _ = serveHeld(index) }
    }

    /// One recv.
    /// - Returns: how many bytes came, or nil when none did; the connection may be closed then.
    private mutating func receive(into room: UnsafeMutableRawBufferPointer, of index: UInt32) -> Int? {
        let connection = connections.at(index)
        counters.receives &+= 1
        switch Socket.receive(connection.pointee.descriptor.rawValue, into: room) {
        case .wouldBlock:
            connection.pointee.isReadable = false
        case .closed:
            endInput(index)
        case .failed(let code):
            closeForCause(index, "\(SystemError("recv", code: code))")
        case .bytes(let count):
            counters.bytesIn &+= UInt64(count)
            // A short read means that nothing more is there (epoll(7)), unless the end is.
            if count < room.count, !connection.pointee.hasEndPending {
                connection.pointee.isReadable = false
            } else {
                makeReady(index)
            }
            return count
        }
        return nil
    }

    /// Keeps what is no whole request yet, or may not be served yet.
    private mutating func hold(_ rest: UnsafeRawBufferPointer, of index: UInt32) {
        let connection = connections.at(index)
        connection.pointee.held.discard(in: &arena)
        guard !rest.isEmpty else { return }
        guard let place = connection.pointee.held.reserve(roomToHold(rest), in: &arena) else {
            return closeForCause(index, "no memory is left for its unfinished request")
        }
        place.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
        connection.pointee.held.append(rest.count)
    }

    /// Room for the whole request, where at least half of it is there: it will not
    /// have to move again.
    private func roomToHold(_ rest: UnsafeRawBufferPointer) -> Int {
        guard case .needMore(let requestBytes) = parse(rest, at: 0) else { return rest.count }
        return max(rest.count, min(requestBytes, 2 * rest.count))
    }

    /// The peer sends no more: what it asked for is still answered.
    private mutating func endInput(_ index: UInt32) {
        let connection = connections.at(index)
        connection.pointee.isReadable = false
        connection.pointee.isInputEnded = true
        if connection.pointee.isIdle { close(index) }
    }

    // MARK: Taking requests

    /// Takes the requests that are held.
    /// - Returns: whether the connection may be read from: it is there, and not blocked.
    private mutating func serveHeld(_ index: UInt32) -> Bool {
        let connection = connections.at(index)
        let bytes = connection.pointee.held.bytes
        guard !bytes.isEmpty else { return true }
        if case .write(let keyOffset, let requestID, let body) = parse(bytes, at: 0), body.upperBound == bytes.count,
            connection.pointee.held.capacity <= 2 * BufferArena.capacity(for: body.count)
        {
            takeOverHeldWrite(keyOffset: keyOffset, requestID: requestID, body: body, of: index)
        } else {
            guard let consumed = takeRequests(from: bytes, of: index) else { return false }
            connection.pointee.held.removeFirst(consumed, in: &arena)
        }
        return connection.pointee.blocked == .no
    }

    /// The held buffer is filled by one write alone: it becomes the write's.
    private mutating func takeOverHeldWrite(keyOffset: Int, requestID: UInt32, body: Range<Int>, of index: UInt32) {
        let connection = connections.at(index)
        let bytes = connection.pointee.held.bytes
        let chargedBytes = connection.pointee.held.capacity
        guard allowsWrite(occupying: chargedBytes, for: index) else { return }
        startWrite(
            key: key(bytes, at: keyOffset), value: UnsafeRawBufferPointer(rebasing: bytes[body]),
            buffer: connection.pointee.held.handOver(), chargedBytes: chargedBytes, requestID: requestID, of: index)
    }

    /// Takes whole requests off the front of `bytes` until they end or a bound is met.
    /// - Returns: how many bytes were consumed, or nil when the connection was closed.
    private mutating func takeRequests(from bytes: UnsafeRawBufferPointer, of index: UInt32) -> Int? {
        var offset = 0
        while true {
            switch parse(bytes, at: offset) {
            case .needMore:
                return offset
            case .invalid(let violation):
                closeForCause(index, "\(violation)")
                return nil
            case .read(_, let requestID, let requestBytes) where shortCircuitsReads:
                guard allowsReply(NativeProtocol.responseHeaderBytes, for: index) else { return offset }
                guard answerAtOnce(requestID, of: index) else { return nil }
                offset += requestBytes
            case .read(let keyOffset, let requestID, let requestBytes):
                guard admitRead(index) else { return offset }
                startRead(key: key(bytes, at: keyOffset), requestID: requestID, of: index)
                offset += requestBytes
            case .write(let keyOffset, let requestID, let body):
                let value = UnsafeRawBufferPointer(rebasing: bytes[body])
                guard allowsWrite(occupying: BufferArena.capacity(for: value.count), for: index) else { return offset }
                let key = key(bytes, at: keyOffset)
                guard startCopiedWrite(key: key, value: value, requestID: requestID, of: index) else { return nil }
                offset = body.upperBound
            }
        }
    }

    private func key(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + NativeProtocol.keyBytes)])
    }

    /// Copies a value to where it stays until its request's reply, and sends the request.
    /// - Returns: false when the connection was closed, since no memory is left.
    private mutating func startCopiedWrite(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, requestID: UInt32, of index: UInt32
    ) -> Bool {
        var buffer: UnsafeMutableRawPointer?
        if let source = value.baseAddress, !value.isEmpty {
            buffer = arena.allocate(byteCount: value.count)
            guard let buffer else {
                closeForCause(index, "no memory is left for its value")
                return false
            }
            buffer.copyMemory(from: source, byteCount: value.count)
        }
        startWrite(
            key: key, value: UnsafeRawBufferPointer(start: buffer, count: value.count), buffer: buffer,
            chargedBytes: BufferArena.capacity(for: value.count), requestID: requestID, of: index)
        return true
    }

    /// The network alone: an empty reply, without index and disk.
    private mutating func answerAtOnce(_ requestID: UInt32, of index: UInt32) -> Bool {
        counters.requests &+= 1
        counters.misses &+= 1
        guard respond(requestID, of: index, body: UnsafeRawBufferPointer(start: nil, count: 0)) else {
            closeForCause(index, "no memory is left for its replies")
            return false
        }
        return true
    }
}
