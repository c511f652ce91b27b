/// Requests that took long, the newest last; shared by all loops.
///
/// Written for slow requests only, so a lock does. What is kept of one is bounded, as in
/// Redis: 32 arguments of 128 bytes.
package final class SlowLog: Sendable {
    package struct Entry: Sendable {
        package let id: UInt64
        /// Seconds since 1970.
        package let seconds: UInt64
        package let microseconds: UInt64
        package let arguments: [[UInt8]]
        package let address: String
        package let clientName: String
    }

    private struct State {
        var entries: [Entry] = []
        var nextID: UInt64 = 0
    }

    static let argumentsMax = 32
    static let argumentBytesMax = 128
    /// However many are asked for.
    static let entriesLimit = 100_000

    private let state = Locked(State())

    package init() {}

    /// - Parameter entriesMax: the oldest go beyond; 0 keeps none.
    package func note(
        _ arguments: CommandArguments, microseconds: UInt64, address: String, clientName: String, entriesMax: Int
    ) {
        let kept = Self.shortened(arguments)
        let seconds = Clock.wallMilliseconds() / 1000
        state.withLock { state in
            let entry = Entry(
                id: state.nextID, seconds: seconds, microseconds: microseconds, arguments: kept, address: address,
                clientName: String(clientName.prefix(Self.argumentBytesMax)))
            state.nextID += 1
            state.entries.append(entry)
            Self.trim(&state, to: entriesMax)
        }
    }

    private static func trim(_ state: inout State, to entriesMax: Int) {
        let surplus = state.entries.count - max(0, min(entriesMax, entriesLimit))
        if surplus > 0 { state.entries.removeFirst(surplus) }
    }

    /// Of arguments that are left out, and of bytes, it says how many.
    private static func shortened(_ arguments: CommandArguments) -> [[UInt8]] {
        let isLong = arguments.count > argumentsMax
        let kept = isLong ? argumentsMax - 1 : arguments.count
        var result = (0..<kept).map { position -> [UInt8] in
            let argument = arguments[position]
            guard argument.count > argumentBytesMax else { return Array(argument) }
            return Array(argument.prefix(argumentBytesMax))
                + Array("... (\(argument.count - argumentBytesMax) more bytes)".utf8)
        }
        if isLong { result.append(Array("... (\(arguments.count - kept) more arguments)".utf8)) }
        return result
    }

    // MARK: SLOWLOG

    package var count: Int { state.withLock { $0.entries.count } }

    /// The newest first, at most so many.
    package func newest(_ countMax: Int) -> [Entry] {
        state.withLock { Array($0.entries.suffix(max(0, countMax)).reversed()) }
    }

    package func reset() { state.withLock { $0.entries.removeAll() } }

    /// Keeps no more than so many from now on.
    package func trim(to entriesMax: Int) { state.withLock { Self.trim(&$0, to: entriesMax) } }
}
