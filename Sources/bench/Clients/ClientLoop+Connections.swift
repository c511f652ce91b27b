import Protostore

// Serving one connection: receive, check, refill, send.

extension ClientLoop {
    /// The stream ends behind what can still be received. Kept, because a set
    /// literal of another module's option set is built on the heap.
    private static let endings: Epoll.Events = [.peerClosed, .hangUp, .error]

    /// One receive if there may be something to receive, and one send if there
    /// is something to send.
    mutating func serve(_ index: Int, events: Epoll.Events) {
        guard connections[index].isOpen else { return }
        if events.contains(.writable) { connections[index].becameWritable() }
        let isEnding = !events.isDisjoint(with: Self.endings)
        if isEnding || events.contains(.readable) { receive(index, untilEnd: isEnding) }
        if connections[index].hasFollowUps, let ledger { connections[index].issueFollowUps(ledger: ledger) }
        if schedule == nil { refill(index) }
        flush(index)
    }

    // MARK: Receiving

    /// - Parameter untilEnd: the stream ends behind what can be received now, and no event will say so again.
    private mutating func receive(_ index: Int, untilEnd: Bool) {
        meter.interval.counters.receives &+= 1
        switch connections[index].receive(into: buffer) {
        case .bytes(let count):
            now = Clock.monotonicNanoseconds()
            accept(count, on: index)
            // Less than was asked for means that the socket is empty now.
            if untilEnd || count == buffer.area.count { setPending(index, untilEnd ? .peerClosed : .readable) }
        case .wouldBlock:
            break
        case .closed:
            drop(index, "was closed by the server")
        case .failed(let code):
            drop(index, "failed: \(SystemError("recv", code: code))")
        }
    }

    private mutating func accept(_ count: Int, on index: Int) {
        var cursor = connections[index].responses(in: buffer, count: count)
        while let response = cursor.next() {
            guard let request = connections[index].complete(response) else {
                let which = response.id.map { "request id \($0), which" } ?? "a request that"
                drop(index, "got a reply to \(which) is not in flight", isLoss: false)
                return
            }
            record(response, to: request, on: index)
        }
        if cursor.isLost {
            let text = String(decoding: cursor.rest.prefix(80).prefix { $0 != 0x0D }, as: UTF8.self)
            return drop(index, "got a reply that is no value: \(text)", isLoss: false)
        }
        connections[index].keep(restOf: cursor)
    }

    @inline(__always)
    private mutating func record(_ response: Response, to request: RequestSlots.Request, on index: Int) {
        meter.interval.counters.responses &+= 1
        if let kind = request.operation.kind {
            inFlight &-= 1
            count(response, to: request, as: kind)
        } else if let key = request.operation.index {
            meter.interval.counters[.readModifyWrite].payloadBytes &+= response.body.count
            connections[index].follow(.init(index: key, startNanoseconds: request.startNanoseconds))
        }
        switch verdict(on: response.body, to: request) {
        case .hit: break
        case .miss: meter.interval.counters.misses &+= 1
        case .wrong(let fault): report(fault, response, to: request, on: index)
        }
    }

    @inline(__always)
    private mutating func count(_ response: Response, to request: RequestSlots.Request, as kind: OperationKind) {
        var payloadBytes = response.body.count
        if case .write(let write) = request.expectation { payloadBytes &+= ledger?.bytes(of: write) ?? 0 }
        meter.interval.counters[kind].operations &+= 1
        meter.interval.counters[kind].payloadBytes &+= payloadBytes
        // The start is never later: requests are not sent before they are due.
        if timeline.measures(startNanoseconds: request.startNanoseconds) {
            meter.interval.recordLatency(kind, nanoseconds: now &- request.startNanoseconds)
        }
    }

    @inline(__always)
    private func verdict(on body: UnsafeRawBufferPointer, to request: RequestSlots.Request) -> ResponseCheck.Verdict {
        guard let ledger, let key = request.operation.index else {
            return check.verdict(body, for: request.operation, keys: keys)
        }
        switch request.expectation {
        case .write(let write):
            guard body.isEmpty else { return .wrong(.answeredWrite) }
            ledger.acknowledge(write)
            return .hit
        case .read(let snapshot) where check.bytes || body.isEmpty:
            return ledger.verdict(body, index: key, since: snapshot)
        case .read, .none:
            return .hit
        }
    }

    private mutating func report(
        _ fault: ResponseCheck.Fault, _ response: Response, to request: RequestSlots.Request, on index: Int
    ) {
        switch fault {
        case .missing, .lost: meter.interval.counters.misses += 1
        default: break
        }
        guard meter.countError() else { return }
        let key = keys.describe(request.operation)
        meter.tell("client \(firstClient + index): \(key) \(fault.describe(bytes: response.body.count))")
    }

    /// Gives a connection up; the run goes on with the others.
    /// - Parameter isLoss: the server went away, which some runs expect.
    private mutating func drop(_ index: Int, _ reason: String, isLoss: Bool = true) {
        let lost = connections[index].unfinished
        if isLoss && acceptsLoss {
            meter.interval.counters.lostConnections += 1
        } else if meter.countError() {
            meter.tell("client \(firstClient + index): the connection \(reason), with \(lost) requests in flight")
        }
        connections[index].close()
        inFlight -= lost
        openConnections -= 1
        // Nobody looks at the socket again, but it stays open until the end.
        try? epoll.remove(connections[index].rawValue)
    }

    /// Serves the connection again in the next turn, as if `events` had come.
    private mutating func setPending(_ index: Int, _ events: Epoll.Events) {
        guard connections[index].isOpen else { return }
        if connections[index].pendingEvents == nil { pending.append(index) }
        connections[index].pendingEvents = (connections[index].pendingEvents ?? []).union(events)
    }

    // MARK: Sending

    /// Closed loop: as many requests as have room.
    private mutating func refill(_ index: Int) {
        guard isIssuing else { return }
        while connections[index].hasRoom, issue(on: index, startNanoseconds: now) {}
    }

    /// - Returns: false where the workload is at its end.
    @inline(__always)
    private mutating func issue(on index: Int, startNanoseconds: UInt64) -> Bool {
        guard let operation = workload.next() else { return false }
        if let ledger {
            connections[index].issue(operation, startNanoseconds: startNanoseconds, ledger: ledger)
        } else {
            connections[index].issue(operation, startNanoseconds: startNanoseconds, keys: keys)
        }
        inFlight &+= 1
        return true
    }

    private mutating func flush(_ index: Int) {
        guard let transfer = connections[index].sendUnsent() else { return }
        meter.interval.counters.sends &+= 1
        switch transfer {
        case .bytes:
            // More in flight than the buffer holds: the rest in the next turn.
            let hasMore = connections[index].hasFollowUps && !connections[index].hasUnsent
            if hasMore || schedule == nil && isIssuing && connections[index].hasRoom { setPending(index, []) }
        case .wouldBlock:
            break
        case .closed:
            drop(index, "was closed by the server")
        case .failed(let code):
            drop(index, "failed: \(SystemError("send", code: code))")
        }
    }
}

// MARK: - The open loop

extension ClientLoop {
    /// Issues what is due, over all connections in turn, as far as they have room, and sends it.
    /// What still has no room when the measured time is over is never sent.
    mutating func issueArrivals() {
        guard schedule != nil, !hasIssuedLast else { return }
        hasIssuedLast = !isIssuing
        let limit = min(now, timeline.measureUntil &- 1)
        hasNoRoom = false
        while schedule!.nextNanoseconds <= limit {
            guard let index = connectionWithRoom() else {
                hasNoRoom = true
                break
            }
            if !connections[index].hasUnsent { touched.append(index) }
            guard issue(on: index, startNanoseconds: schedule!.take()) else { break }
        }
        for index in touched { flush(index) }
        touched.removeAll(keepingCapacity: true)
    }

    /// The next connection with room after the one that was used last.
    private mutating func connectionWithRoom() -> Int? {
        guard inFlight < openConnections &* slotsPerConnection else { return nil }
        for _ in 0..<connections.count {
            let index = nextConnection
            nextConnection = index &+ 1 == connections.count ? 0 : index &+ 1
            if connections[index].hasRoom { return index }
        }
        return nil
    }
}
