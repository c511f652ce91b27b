/// What the log writes besides commits: headers of segments, summaries, and flushes
/// under `everysec` and `never`.
extension Shard where Memory: ~Copyable {
    /// A header or summary is a durable write under every `--sync`: there is one of
    /// each per segment.
    mutating func writeHeaderAndSummary<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        if device.pendingCount < device.depthMax,
            let (bytes, offset) = log.takeHeader(openedMilliseconds: time.wallMilliseconds)
        {
            Failpoint.reached(.beforeHeaderWrite)
            flush.header = LogWrite(bytes: bytes, offset: offset)
            queueDurably(flush.header, .header, on: &device)
        }
        if device.pendingCount < device.depthMax,
            let (bytes, offset) = log.takeSummary(sealedMilliseconds: time.wallMilliseconds)
        {
            Failpoint.reached(.beforeSummaryWrite)
            flush.summary = LogWrite(bytes: bytes, offset: offset)
            queueDurably(flush.summary, .summary, on: &device)
        }
    }

    private mutating func queueDurably<Device: BlockDevice & ~Copyable>(
        _ write: LogWrite, _ token: LogToken, on device: inout Device
    ) {
        let bytes = UnsafeRawBufferPointer(rebasing: write.bytes[write.doneBytes...])
        device.queueWrite(
            offset: write.offset + write.doneBytes, from: bytes.baseAddress!, byteCount: bytes.count, isDurable: true,
            token: token.rawValue)
        counters.flushes &+= 1
        counters.logBytes &+= UInt64(bytes.count)
    }

    /// Takes the result of a header's or summary's write; goes on with a short one.
    /// - Returns: whether all of it is on stable storage.
    mutating func completeDurably<Device: BlockDevice & ~Copyable>(
        _ token: LogToken, _ result: Int, on device: inout Device
    ) -> Bool {
        var write = token == .header ? flush.header : flush.summary
        if result > 0, write.doneBytes + result == write.bytes.count { return true }
        // Whole sectors, as with a commit.
        let done = result > 0 ? result & ~(device.alignment - 1) : 0
        guard done > 0, write.doneBytes + done < write.bytes.count else {
            fail(.writeFailed(CInt(clamping: result < 0 ? -result : 0)), at: write.offset)
            return false
        }
        write.doneBytes += done
        if token == .header { flush.header = write } else { flush.summary = write }
        queueDurably(write, token, on: &device)
        return false
    }

    /// Starts a flush that is due. It covers the commits whose completions were seen.
    mutating func startFlush<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        let isDue = options.sync == .everysec && flush.isDirty && time.monotonicNanoseconds >= flush.dueNanoseconds
        guard isDue || log.needsFlush, !flush.isAtDevice, device.pendingCount < device.depthMax else { return }
        flush.isAtDevice = true
        flush.isDirty = false
        let isUnderWay = flight.state == .atDevice
        flush.coveredNumber = isUnderWay ? log.last.number - 1 : log.last.number
        Failpoint.reached(.beforeFlush)
        device.queueFlush(token: LogToken.flush.rawValue)
        counters.flushes &+= 1
    }

    mutating func completeFlush(_ result: Int) {
        flush.isAtDevice = false
        if result < 0, PlantedBug.isPlanted(.retryFailedFlush) {
            flush.isDirty = true
            return
        }
        guard result >= 0 else {
            return fail(.flushFailed(CInt(clamping: -result)), at: log.currentOffset)
        }
        Failpoint.reached(.afterFlush)
        log.flushedNumber = max(log.flushedNumber, flush.coveredNumber)
    }
}
