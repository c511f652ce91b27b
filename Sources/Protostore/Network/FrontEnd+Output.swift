/// From replies to bytes.
extension FrontEnd {
    /// Takes a shard's reply. Its buffer can go back to the shard afterwards.
    mutating func complete(_ reply: ShardReply) {
        switch table.slot(reply.ticket).pointee.kind {
        case .nativeRead, .nativeWrite: completeNative(reply)
        case .get, .put, .putIfAbsent, .delete, .work, .placeholder: completeRedis(reply)
        }
    }

    /// Sends what waits, with one send per connection.
    mutating func flush() {
        for _ in 0..<unflushed.count {
            guard let index = unflushed.popFirst() else { break }
            guard connections.contains(index), connections.at(index).pointee.isUnflushed else { continue }
            connections.at(index).pointee.isUnflushed = false
            flush(index)
        }
    }

    private mutating func flush(_ index: UInt32) {
        let connection = connections.at(index)
        let bytes = connection.pointee.output.bytes
        guard connection.pointee.isWritable, !bytes.isEmpty else { return }
        counters.sends &+= 1
        switch Socket.send(connection.pointee.descriptor.rawValue, bytes) {
        case .bytes(let count):
            counters.bytesOut &+= UInt64(count)
            connection.pointee.lastNanoseconds = nowNanoseconds
            connection.pointee.isWritable = count == bytes.count
            chargedBytes -= count
            connection.pointee.output.removeFirst(count, in: &arena)
            if connection.pointee.isIdle && connection.pointee.isInputEnded { return close(index) }
            unblock(index)
        case .wouldBlock:
            connection.pointee.isWritable = false
        case .closed:
            close(index)
        case .failed(let code):
            closeForCause(index, "\(SystemError("send", code: code))")
        }
    }
}
