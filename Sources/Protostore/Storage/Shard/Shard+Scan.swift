/// Scans: see ``ShardScan``.
///
/// ```
/// startScan      in order of arrival
/// lookUpScans    positions of the next slots, in order          a region at a time
///                all slots of a position as they are now        as many as may be read
/// startReads     reading, with the gets (Shard+Reads)
/// takeScanned    -> the key is added, if it is alive
///                -> reading again, for the rest of a long key
///                -> the scan is over when this was its last slot: replied
/// ```
///
/// A key's slot keeps its position, whatever its record and its region do. Between finding
/// positions and looking them up anything may happen; what was looked up is protected like
/// a get's candidate, and is read as it was then.
extension Shard where Memory: ~Copyable {
    mutating func startScan(_ request: ShardRequest) {
        guard let scan = request.scan, index.positions.contains(IndexPosition(rawValue: scan.position)) else {
            _ = refuse(request, .tooLarge)
            return
        }
        scanner.scans.append(request)
    }

    /// Looks up as many slots as can be read.
    mutating func lookUpScans() {
        scanner.wantsTurn = false
        var visitsLeft = Scanner.visitedMax
        while scanner.wantedCount > 0, let request = scanner.scans.first, let scan = request.scan {
            if let position = scan.takePosition() {
                lookUp(position, for: scan, request)
            } else if scan.wantsSlots, scan.next < index.positions.upperBound.rawValue {
                guard visitsLeft > 0 else {
                    scanner.wantsTurn = true
                    return
                }
                visitsLeft -= findSlots(for: scan)
            } else {
                scanner.scans.removeFirst()
                scan.isLookedUp = true
                endIfDone(scan, request)
            }
        }
    }

    /// Finds slots of the region in which the scan goes on: those that come next in order.
    /// - Returns: what this has cost, in slots.
    private mutating func findSlots(for scan: ShardScan) -> Int {
        let start = IndexPosition(rawValue: scan.next)
        var positions: [UInt64] = []
        let end = index.forEachSlot(inRegionAt: start) { hash, _ in
            let position = IndexPosition(of: hash)
            if position >= start { positions.append(position.rawValue) }
        }
        let visitedCount = positions.count
        guard visitedCount > scan.slotsWanted else {
            positions.sort()
            scan.add(positions[...], next: end.rawValue)
            return max(8, visitedCount)
        }
        if PlantedBug.isPlanted(.scanUnsorted) {
            scan.add(positions[..<scan.slotsWanted], next: positions[scan.slotsWanted - 1] + 1)
            return visitedCount
        }
        IndexPosition.keepFirst(scan.slotsWanted, of: &positions, in: start.rawValue..<end.rawValue)
        let last = positions[scan.slotsWanted - 1]
        // All of one position belong together.
        let count = positions[scan.slotsWanted...].firstIndex { $0 != last } ?? positions.count
        scan.add(positions[..<count], next: last + 1)
        return visitedCount
    }

    /// Lets all slots of a position wait for their reads.
    private mutating func lookUp(_ position: UInt64, for scan: ShardScan, _ request: ShardRequest) {
        var request = request
        request.hash = IndexPosition(rawValue: position).hash
        var slots: [IndexSlot] = []
        _ = index.firstSlot(matching: request.hash) { slot in
            slots.append(slot)
            return PlantedBug.isPlanted(.scanTakesOneOfTwins)
        }
        for slot in slots {
            var read = WaitingRead(request: request, slot: slot)
            read.isWhole = false
            read.isScan = true
            read.hasTwins = slots.count > 1
            read.headKeyBytes = Scanner.keyBytesUsual
            scanner.waiting.append(read)
        }
        scan.readCount += slots.count
    }

    // MARK: Reading

    mutating func takeScanned(_ token: UInt32, _ operation: ReadOperation) {
        let offset = operation.recordOffset
        let lead = offset - operation.start
        let bytes = UnsafeRawBufferPointer(start: operation.buffer + lead, count: operation.byteCount - lead)
        let seed = Record.checksumSeed(use: store.segments[operation.segment], offset: UInt64(offset))
        let bytesMax = store.segments.recordsLimit(of: operation.segment) - offset
        if let header = Record.decodeHeader(bytes, bytesMax: bytesMax, seed: seed) {
            let key = UnsafeRawBufferPointer(rebasing: bytes[Record.headerBytes..<header.valueOffset])
            add(header, key, operation.read)
            finish(token)
            return endScanRead(operation.read)
        }
        let keyBytes = Record.claimedKeyBytes(bytes)
        finish(token)
        guard keyBytes > operation.read.headKeyBytes else {
            report(.damagedHeader, at: offset)
            return scanIsUnreadable(operation.read)
        }
        // What is claimed decides only how much is read.
        var read = operation.read
        read.headKeyBytes = keyBytes
        scanner.waiting.append(read)
    }

    private func add(_ header: Record.Header, _ key: UnsafeRawBufferPointer, _ read: WaitingRead) {
        guard let scan = read.request.scan, header.kind == .put, header.namespace == scan.namespace else { return }
        let isExpired = isExpired(header.expiryMilliseconds)
        guard !isExpired || read.hasTwins else { return }
        scan.add(header, key: key, hash: read.request.hash, hasTwins: read.hasTwins, isExpired: isExpired)
    }

    mutating func scanIsUnreadable(_ read: WaitingRead) {
        read.request.scan?.unreadableCount += 1
        endScanRead(read)
    }

    private mutating func endScanRead(_ read: WaitingRead) {
        guard let scan = read.request.scan else { return }
        scan.readCount -= 1
        endIfDone(scan, read.request)
    }

    private mutating func endIfDone(_ scan: ShardScan, _ request: ShardRequest) {
        guard scan.isLookedUp, scan.readCount == 0 else { return }
        scan.finish()
        replies.append(ShardReply(.done, to: request))
    }
}

extension ShardRequest {
    fileprivate var scan: ShardScan? { write?.pointee.scan }
}

extension IndexPosition {
    private static let binCount = 256

    /// Sorts the first `count` positions of a region to the front, and with them all that are
    /// equal to the last of these; what is far behind is left out.
    ///
    /// Sorting 16,384 for ten of them would take a millisecond. Tags are uniform, so bins of
    /// equal width leave little more than `count` to be sorted.
    /// - Parameters:
    ///   - count: 1...`positions.count`.
    ///   - range: in which all positions are; not empty.
    static func keepFirst(_ count: Int, of positions: inout [UInt64], in range: Range<UInt64>) {
        let width = (range.upperBound - range.lowerBound) / UInt64(binCount) + 1
        func bin(_ position: UInt64) -> Int { Int((position - range.lowerBound) / width) }
        var counts = [Int](repeating: 0, count: binCount)
        for position in positions { counts[bin(position)] += 1 }
        var (last, sum) = (0, counts[0])
        while sum < count {
            last += 1
            sum += counts[last]
        }
        positions.removeAll { bin($0) > last }
        positions.sort()
    }
}
