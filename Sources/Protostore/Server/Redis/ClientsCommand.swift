/// CLIENT LIST, KILL, PAUSE, UNPAUSE and UNBLOCK: about the connections of all loops.
struct ClientsCommand {
    let call: ServerCall

    init(_ call: ServerCall) {
        self.call = call
    }

    func perform(_ loops: [EventLoop]) -> ServerClerk.Outcome {
        do throws(Refusal) {
            return try perform(ClientRequest(call.command, call.arguments.view), loops)
        } catch {
            return .reply(error.reply)
        }
    }

    private func perform(_ request: ClientRequest, _ loops: [EventLoop]) throws(Refusal) -> ServerClerk.Outcome {
        switch request {
        case .list(let selection):
            return .clients(ClientFilter(selection), closes: false) { clients, _ in
                .verbatim(clients.map { $0.line + "\n" }.joined())
            }
        case .kill(let selection, let sparesSelf, let answersOK):
            var filter = ClientFilter(selection)
            if sparesSelf { filter.except = call.client.id }
            return .clients(filter, closes: true) { _, closed in
                answersOK ? (closed > 0 ? .ok : ClientRequest.noSuchClient) : .integer(closed)
            }
        case .pause(let milliseconds, let onlyWrites):
            pause(loops, until: try end(of: milliseconds), onlyWrites: onlyWrites)
            // When all loops have seen it: what comes behind the reply, on any connection, is paused.
            return .reports { _ in .ok }
        case .unpause:
            pause(loops, until: 0, onlyWrites: false)
            return .reports { _ in .ok }
        // Nobody ever waits for a key.
        case .unblock: return .reply(.integer(0))
        case .identifier, .info, .setName, .getName, .setLibraryName, .setLibraryVersion, .reply, .noEvict, .noTouch,
            .trackingOff, .trackingInfo, .getRedirection:
            throw Refusal(.error("ERR this is not carried out by the server as a whole"))
        }
    }

    private func end(of milliseconds: Int) throws(Refusal) -> UInt64 {
        let (nanoseconds, overflows) = UInt64(milliseconds).multipliedReportingOverflow(by: 1_000_000)
        let (end, overflowsToo) = Clock.monotonicNanoseconds().addingReportingOverflow(nanoseconds)
        guard !overflows, !overflowsToo else { throw Refusal(.error("ERR timeout is out of range")) }
        return end
    }

    private func pause(_ loops: [EventLoop], until nanoseconds: UInt64, onlyWrites: Bool) {
        for loop in loops { loop.commands.send(.pauseClients(untilNanoseconds: nanoseconds, onlyWrites: onlyWrites)) }
    }
}

extension ClientFilter {
    fileprivate init(_ selection: ClientSelection) {
        self.init()
        ids = selection.identifiers.map { $0.compactMap { UInt64(exactly: $0) } }
        address = selection.address.map { String(decoding: $0, as: UTF8.self) }
        localAddress = selection.localAddress.map { String(decoding: $0, as: UTF8.self) }
        switch selection.kind {
        case .normal: kind = .normal
        case .replica: kind = .replica
        case .pubsub: kind = .pubsub
        case .master: kind = .master
        case nil: break
        }
    }
}
