/// From bytes to requests of the native protocol.
extension FrontEnd {
    func parseNative(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> NativeProtocol.Request {
        NativeProtocol.parseRequest(bytes.bytes, at: offset, valueBytesMax: limits.valueBytesMax)
    }

    /// Where the held buffer is filled by one write alone, it becomes the write's.
    /// - Returns: whether it is such a write; it may have to wait.
    mutating func takesOverHeldNativeWrite(_ index: UInt32) -> Bool {
        let connection = connections.at(index)
        let bytes = connection.pointee.held.bytes
        let chargedBytes = connection.pointee.held.capacity
        guard case .write(let keyOffset, let requestID, let body) = parseNative(bytes, at: 0),
            body.upperBound == bytes.count, chargedBytes <= 2 * BufferArena.capacity(for: body.count)
        else { return false }
        guard allowsWrite(occupying: chargedBytes, for: index) else { return true }
        startNativeWrite(
            key: key(bytes, at: keyOffset), value: UnsafeRawBufferPointer(rebasing: bytes[body]),
            buffer: connection.pointee.held.handOver(), chargedBytes: chargedBytes, requestID: requestID, of: index)
        return true
    }

    /// Takes whole requests off the front of `bytes` until they end or a bound is met.
    /// - Returns: how many bytes were consumed, or nil when the connection was closed.
    mutating func takeNativeRequests(from bytes: UnsafeRawBufferPointer, of index: UInt32) -> Int? {
        var offset = 0
        while true {
            switch parseNative(bytes, at: offset) {
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
                startNativeRead(key: key(bytes, at: keyOffset), requestID: requestID, of: index)
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

    /// - Returns: false when the connection was closed, since no memory is left.
    private mutating func startCopiedWrite(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, requestID: UInt32, of index: UInt32
    ) -> Bool {
        var buffer: UnsafeMutableRawPointer?
        if !value.isEmpty {
            buffer = copyValue(value, of: index)
            guard buffer != nil else { return false }
        }
        startNativeWrite(
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

    // MARK: Starting

    /// Sends a read that `admitRead` has let in.
    private mutating func startNativeRead(key: UnsafeRawBufferPointer, requestID: UInt32, of index: UInt32) {
        let allowanceBytes = connections.at(index).pointee.allowanceBytes
        let ticket = take(.nativeRead, key: key, namespace: namespaces[0], allowanceBytes: allowanceBytes, of: index)
        table.slot(ticket).pointee.requestID = requestID
        send(.get, ticket)
    }

    /// Sends a write that `allowsWrite` has let in.
    /// - Parameters:
    ///   - buffer: of the arena, around the value; the request's from now on.
    ///   - chargedBytes: what `allowsWrite` was asked for.
    private mutating func startNativeWrite(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, buffer: UnsafeMutableRawPointer?,
        chargedBytes: Int, requestID: UInt32, of index: UInt32
    ) {
        charge(NativeProtocol.responseHeaderBytes, to: index)
        counters.writes &+= 1
        counters.valueBytesIn &+= UInt64(value.count)
        let ticket = take(
            .nativeWrite, key: key, namespace: namespaces[0], allowanceBytes: NativeProtocol.responseHeaderBytes,
            of: index)
        table.slot(ticket).pointee.requestID = requestID
        attach(WriteDetails(value: value), buffer: buffer, chargedBytes: chargedBytes, to: ticket, of: index)
        send(.put, ticket)
    }
}
