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
            queueDurably(bytes, offset, .header, on: &device)
        }
        if device.pendingCount < device.depthMax,
            let (bytes, offset) = log.takeSummary(sealedMilliseconds: time.wallMilliseconds)
        {
            flush.summaryBytes = bytes.count
            Failpoint.reached(.beforeSummaryWrite)
            queueDurably(bytes, offset, .summary, on: &device)
        }
    }

    private mutating func queueDurably<Device: BlockDevice & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ token: LogToken, on device: inout Device
    ) {
        device.queueWrite(
            offset: offset, from: bytes.baseAddress!, byteCount: bytes.count, isDurable: true, token: token.rawValue)
        counters.flushes &+= 1
        counters.logBytes &+= UInt64(bytes.count)
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
            store.health.fail(CInt(clamping: -result))
            return report(.writeFailed(CInt(clamping: -result)), at: log.currentOffset)
        }
        Failpoint.reached(.afterFlush)
        log.flushedNumber = max(log.flushedNumber, flush.coveredNumber)
    }
}
