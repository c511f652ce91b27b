import Synchronization

/// MONITOR: what all clients send, to those who want to see it.
///
/// Each loop collects the lines of its commands during a turn, and sends them at its end to
/// all loops, itself included. Nothing is collected while nobody watches.
extension FrontEnd {
    mutating func startMonitor(_ session: RedisSession, of index: UInt32) -> Taking {
        guard admitAnswer(index) else { return .blocked }
        // The second time there is no reply.
        guard !session.isMonitor else { return .taken }
        session.isMonitor = true
        monitorCount += 1
        services.monitors.add(1)
        return answer(.ok, of: index) ? .taken : .closed
    }

    /// A connection that watched is gone, or was reset.
    mutating func endMonitor(_ session: RedisSession) {
        guard session.isMonitor else { return }
        session.isMonitor = false
        monitorCount -= 1
        services.monitors.add(-1)
    }

    /// Adds a command's line, where anybody watches.
    mutating func noteForMonitors(_ spec: Command, _ arguments: CommandArguments, of index: UInt32) {
        guard services.monitors.areThere, !spec.flags.contains(.skipMonitor), !spec.flags.contains(.admin) else { return }
        let connection = connections.at(index)
        let microseconds = Clock.wallMicroseconds()
        let fraction = String(microseconds % 1_000_000 + 1_000_000).dropFirst()
        var line = "\(microseconds / 1_000_000).\(fraction) [\(connection.pointee.redis.database) \(connection.pointee.peer)]"
        // Passwords are nobody's business: those of AUTH, and of HELLO with AUTH.
        let isSecret = spec.number == CommandNumbers.auth || spec.number == CommandNumbers.hello
        var roomBytes = Self.lineArgumentBytesMax
        for position in 0..<arguments.count {
            guard roomBytes > 0 else {
                line += " ... (\(arguments.count - position) more arguments)"
                break
            }
            let argument = arguments[position]
            let shown = UnsafeRawBufferPointer(rebasing: argument.prefix(roomBytes))
            line += isSecret && position > 0 ? " \"(redacted)\"" : " " + Self.quoted(shown)
            if shown.count < argument.count { line += "... (\(argument.count - shown.count) more bytes)" }
            roomBytes -= shown.count + 1
        }
        monitorLines.append(line)
    }

    /// What a line shows of a command's arguments: enough for a person, and little for those who wait.
    private static let lineArgumentBytesMax = 16 << 10

    /// As Redis writes an argument: in quotes, with escapes.
    static func quoted(_ bytes: UnsafeRawBufferPointer) -> String {
        var text = "\""
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): text += "\\" + String(Unicode.Scalar(byte))
            case 0x0A: text += "\\n"
            case 0x0D: text += "\\r"
            case 0x09: text += "\\t"
            case 0x07: text += "\\a"
            case 0x08: text += "\\b"
            case 0x20...0x7E: text += String(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16)
                text += "\\x" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return text + "\""
    }

    /// Sends the lines of this turn to all loops.
    mutating func publishMonitorLines() {
        guard !monitorLines.isEmpty else { return }
        services.monitors.publish(monitorLines)
        monitorLines.removeAll(keepingCapacity: true)
    }

    /// Lines of some loop's turn.
    mutating func showMonitors(_ lines: [String]) {
        guard monitorCount > 0 else { return }
        for index in 0..<UInt32(connections.capacity) where connections.contains(index) {
            for line in lines {
                guard connections.contains(index), connections.at(index).pointee.redis.session?.isMonitor == true else { break }
                pushOut(.simple(line), to: index)
            }
        }
    }
}

/// Who watches, on all loops together, and where their loops are.
final class MonitorFeed: Sendable {
    private let count = Atomic<Int>(0)
    private let inboxes = Locked<[CommandInbox]>([])

    /// Of all loops, before they run.
    func connect(_ inboxes: [CommandInbox]) {
        self.inboxes.withLock { $0 = inboxes }
    }

    /// Whether lines are wanted. Relaxed: a watcher sees what comes after its OK, give or take a moment.
    @inline(__always)
    var areThere: Bool { count.load(ordering: .relaxed) > 0 }

    func add(_ change: Int) { count.wrappingAdd(change, ordering: .relaxed) }

    func publish(_ lines: [String]) {
        for inbox in inboxes.withLock({ $0 }) { inbox.send(.monitorLines(lines)) }
    }
}
