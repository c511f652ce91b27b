import Synchronization

/// DEBUG SLEEP, SET-ACTIVE-EXPIRE and PROTOCOL.
struct DebugCommand {
    let planner: SegmentPlanner

    init(_ planner: SegmentPlanner) {
        self.planner = planner
    }

    /// A day: beyond, the connection has had its time.
    private static let sleepSecondsMax = 86_400.0

    func perform(_ words: CommandWords, protocolVersion: Int) -> ServerClerk.Outcome {
        switch (words.subcommand, words.count) {
        case ("sleep", 3): return sleep(words)
        case ("set-active-expire", 3):
            guard let isActive = Int(words[2]) else { return .reply(.notAnInteger) }
            planner.sweeps.store(isActive != 0, ordering: .relaxed)
            return .reply(.ok)
        case ("protocol", 3): return .reply(Self.sample(words.lowered(2), protocolVersion))
        case ("change-repl-id", 2): return .reply(.ok)
        default: return .reply(words.wrongNumberOrUnknown)
        }
    }

    /// In Redis everybody waits; here the connection that asks, and nobody else.
    private func sleep(_ words: CommandWords) -> ServerClerk.Outcome {
        guard let seconds = Double(words[2]), seconds.isFinite else {
            return .reply(.notAFloat)
        }
        let nanoseconds = UInt64(max(0, min(seconds, Self.sleepSecondsMax)) * 1e9)
        return .later(nanoseconds: Clock.monotonicNanoseconds() &+ nanoseconds, .ok)
    }

    /// The replies of Redis' own DEBUG PROTOCOL.
    private static func sample(_ type: String, _ protocolVersion: Int) -> Reply {
        let numbers: [Reply] = [.integer(0), .integer(1), .integer(2)]
        return switch type {
        case "string": .bulk("Hello World")
        case "integer": .integer(12345)
        case "double": .double(3.141)
        case "null": .null
        case "array": .array(numbers)
        case "set": .set(numbers)
        case "map": .map([(.integer(0), .boolean(false)), (.integer(1), .boolean(true)), (.integer(2), .boolean(false))])
        case "attrib":
            .attributed(
                [(.bulk("key-popularity"), .array([.bulk("key:123"), .integer(90)]))],
                .bulk("Some real reply following the attribute"))
        case "push" where protocolVersion == 2: .error("ERR RESP2 is not supported by this command")
        case "push":
            .push(
                [.bulk("server-cpu-usage"), .integer(42)], before: .bulk("Some real reply following the push reply"))
        case "verbatim": .verbatim("This is a verbatim\nstring")
        case "bignum": .bigNumber("1234567999999999999999999999999999999")
        case "true": .boolean(true)
        case "false": .boolean(false)
        default:
            .error(
                "ERR Wrong protocol type name. Please use one of the following: "
                    + "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")
        }
    }
}

/// SHUTDOWN: every acknowledged write is where `--sync` says, whatever is asked for, so SAVE
/// and NOSAVE are the same.
struct ShutdownCommand {
    func perform(_ words: CommandWords) -> ServerClerk.Outcome {
        let options = words.rest(from: 1).map { $0.lowercased() }
        let known = Set(["nosave", "save", "now", "force", "abort"])
        let isAbort = options.contains("abort")
        guard options.allSatisfy(known.contains), !(options.contains("save") && options.contains("nosave")),
            !isAbort || options.count == 1
        else { return .reply(.syntaxError) }
        // It stops at once, so there is never one to call off.
        return isAbort ? .reply(.error("ERR No shutdown in progress.")) : .shutdown
    }
}

/// LASTSAVE, SAVE and BGSAVE.
struct SaveCommand {
    let state: ServerState

    init(_ state: ServerState) {
        self.state = state
    }

    func perform(_ command: ServerCommand, _ words: CommandWords, _ flusher: StoreFlusher) -> ServerClerk.Outcome {
        switch command {
        case .lastSave: return .reply(.integer(Int(clamping: state.lastSaveSeconds)))
        case .save: return state.isAlwaysDurable ? .reply(saved(.ok)) : .flush(reply: nil)
        default:
            guard words.count == 1 || words.count == 2 && words.lowered(1) == "schedule" else {
                return .reply(.syntaxError)
            }
            guard !flusher.isRunning || words.count == 2 else {
                return .reply(.error("ERR Background save already in progress"))
            }
            let isScheduled = flusher.isRunning
            let started = Reply.simple(isScheduled ? "Background saving scheduled" : "Background saving started")
            return state.isAlwaysDurable ? .reply(saved(started)) : .flush(reply: started)
        }
    }

    /// Everything that was acknowledged is on stable storage already, unless a write has failed.
    private func saved(_ reply: Reply) -> Reply {
        guard state.store.opening.parts.health.acceptsWrites else {
            return .error("ERR a write has failed: what reached the disk since is not known. Restart the server")
        }
        state.noteSaved()
        return reply
    }
}
