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
        let neededBytes = neededBytes(of: held, index)
        let missingBytes = neededBytes - held.count
        if missingBytes > 0, neededBytes > Self.joinedInScratchBytesMax {
            receiveBehindHeld(index, missingBytes: missingBytes)
        } else {
            receiveIntoScratch(index)
        }
    }

    /// What the request at the head of the held bytes has at least, as far as they tell.
    private func neededBytes(of held: UnsafeRawBufferPointer, _ index: UInt32) -> Int {
        let connection = connections.at(index)
        switch connection.pointee.speaks {
        case .unknown: return 0
        case .redis: return connection.pointee.redis.neededBytes
        case .native:
            guard case .needMore(let requestBytes) = parseNative(held, at: 0) else { return 0 }
            return requestBytes
        }
    }

    // MARK: Taking requests

    /// Takes the requests that are held.
    /// - Returns: whether the connection may be read from: it is there, and not blocked.
    private mutating func serveHeld(_ index: UInt32) -> Bool {
        let connection = connections.at(index)
        let bytes = connection.pointee.held.bytes
        guard !bytes.isEmpty else { return true }
        if takesOverHeld(index) { return connections.contains(index) && connection.pointee.blocked == .no }
        guard let consumed = takeRequests(from: bytes, of: index) else { return false }
        connection.pointee.held.removeFirst(consumed, in: &arena)
        return connection.pointee.blocked == .no
    }

    /// Whether the held buffer, which is filled by one write alone, has become the
    /// write's, or waits for that.
    private mutating func takesOverHeld(_ index: UInt32) -> Bool {
        switch connections.at(index).pointee.speaks {
        case .unknown: false
        case .native: takesOverHeldNativeWrite(index)
        case .redis: false
        }
    }

    /// Takes whole requests off the front of `bytes` until they end or a bound is met.
    /// - Returns: how many bytes were consumed, or nil when the connection was closed.
    private mutating func takeRequests(from bytes: UnsafeRawBufferPointer, of index: UInt32) -> Int? {
        guard let first = bytes.first else { return 0 }
        if connections.at(index).pointee.speaks == .unknown, !meet(index, firstByte: first) { return nil }
        return connections.at(index).pointee.speaks == .redis
            ? takeCommands(from: bytes, of: index) : takeNativeRequests(from: bytes, of: index)
    }

    /// Tells the protocols apart: a native request of a sane length begins with 0, and
    /// nothing that is said to a Redis server does.
    /// - Returns: false when the connection was closed.
    private mutating func meet(_ index: UInt32, firstByte: UInt8) -> Bool {
        guard firstByte == 0 else {
            beginRedis(index)
            return true
        }
        connections.at(index).pointee.speaks = .native
        guard services.settings.servesNative else {
            closeForCause(
                index, "it speaks the native protocol, which knows no password (see --allow-native)")
            return false
        }
        return true
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
        guard allowsHolding(connection.pointee.held.count + byteCount) else {
            return closeForCause(index, "its unfinished request and those of others fill the memory that there is for them")
        }
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
            // Who sent them may have been told by a client of another loop what the databases are by now.
            takeNamespaces()
            connection.pointee.lastNanoseconds = nowNanoseconds
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
        let room = roomToHold(rest, neededBytes: neededBytes(of: rest, index))
        guard allowsHolding(room) else {
            return closeForCause(index, "its unfinished request and those of others fill the memory that there is for them")
        }
        guard let place = connection.pointee.held.reserve(room, in: &arena) else {
            return closeForCause(index, "no memory is left for its unfinished request")
        }
        place.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
        connection.pointee.held.append(rest.count)
    }

    /// Whether a connection may hold so much of a request. What everybody may hold, a request of
    /// the native protocol, is always allowed; more only while all memory in use is within its bound.
    private func allowsHolding(_ byteCount: Int) -> Bool {
        byteCount <= FrontEndLimits.writeBytesGuaranteed || arena.allocatedBytes + byteCount <= limits.memoryMax
    }

    /// Room for the whole request, where at least half of it is there: it will not
    /// have to move again.
    private func roomToHold(_ rest: UnsafeRawBufferPointer, neededBytes: Int) -> Int {
        max(rest.count, min(neededBytes, 2 * rest.count))
    }

    /// The peer sends no more: what it asked for is still answered.
    private mutating func endInput(_ index: UInt32) {
        let connection = connections.at(index)
        connection.pointee.isReadable = false
        connection.pointee.isInputEnded = true
        if connection.pointee.isIdle { close(index) }
    }
}
