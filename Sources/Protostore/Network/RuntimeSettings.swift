import Synchronization

/// The settings that may change while the server runs: written by the main thread (CONFIG
/// SET), read by every loop without a lock.
///
/// Each is a word of its own, and nothing follows from two of them together: all loads and
/// stores are relaxed, but for ``generation``, which is raised after a change with release.
/// A loop that acquires a new generation sees everything that was changed before it.
package final class RuntimeSettings: Sendable {
    /// What the settings are at the start. Sizes in bytes.
    package struct Values: Sendable, Equatable {
        /// Connections of clients at a time, of all loops: 1 or more.
        package var clientsMax = 10_000
        /// How long a client may be silent before its connection is closed; 0 = for ever.
        package var timeoutSeconds = 0
        /// How long a connection is silent before the kernel asks whether its peer is still
        /// there; 0 = never. Taken by connections that are made from then on.
        package var tcpKeepAliveSeconds = 300
        /// The most bytes that one argument of a request may have.
        package var bulkBytesMax = 8 << 20
        /// The most bytes of a request that is not complete yet. Redis has 1 GB: more than
        /// many a machine that this server needs.
        package var queryBufferBytesMax = 64 << 20
        /// The most bytes of replies that a client has not read: its connection is closed
        /// beyond. Redis has no bound for normal clients (CVE-2025-21605). 0 = none.
        package var outputBufferBytesMax = 32 << 20
        /// Requests that take as many microseconds are noted; 0 = all, negative = none.
        package var slowLogMicroseconds = 10_000
        /// How many of them are kept; 0 or more.
        package var slowLogEntriesMax = 128
        /// Events that take as many milliseconds are noted; 0 = none.
        package var latencyThresholdMilliseconds = 0
        /// Without a password, clients on other machines are refused.
        package var isProtected = true
        /// The native protocol, which has no password, is served although there is one.
        package var allowsNative = false

        package init() {}
    }

    private let clientsMaxWord: Atomic<Int>
    private let timeoutWord: Atomic<Int>
    private let keepAliveWord: Atomic<Int>
    private let bulkBytesWord: Atomic<Int>
    private let queryBufferWord: Atomic<Int>
    private let outputBufferWord: Atomic<Int>
    private let slowLogThresholdWord: Atomic<Int>
    private let slowLogEntriesWord: Atomic<Int>
    private let latencyThresholdWord: Atomic<Int>
    private let isProtectedWord: Atomic<Bool>
    private let allowsNativeWord: Atomic<Bool>
    private let generationWord = Atomic<UInt64>(0)
    private let clientCountWord = Atomic<Int>(0)

    package let password = PasswordGate()
    package let slowLog = SlowLog()
    package let latencyMonitor = LatencyMonitor()

    package init(_ values: Values = Values()) {
        clientsMaxWord = Atomic(values.clientsMax)
        timeoutWord = Atomic(values.timeoutSeconds)
        keepAliveWord = Atomic(values.tcpKeepAliveSeconds)
        bulkBytesWord = Atomic(values.bulkBytesMax)
        queryBufferWord = Atomic(values.queryBufferBytesMax)
        outputBufferWord = Atomic(values.outputBufferBytesMax)
        slowLogThresholdWord = Atomic(values.slowLogMicroseconds)
        slowLogEntriesWord = Atomic(values.slowLogEntriesMax)
        latencyThresholdWord = Atomic(values.latencyThresholdMilliseconds)
        isProtectedWord = Atomic(values.isProtected)
        allowsNativeWord = Atomic(values.allowsNative)
    }

    // MARK: Read by anybody

    package var clientsMax: Int { clientsMaxWord.load(ordering: .relaxed) }
    package var timeoutSeconds: Int { timeoutWord.load(ordering: .relaxed) }
    package var tcpKeepAliveSeconds: Int { keepAliveWord.load(ordering: .relaxed) }
    package var bulkBytesMax: Int { bulkBytesWord.load(ordering: .relaxed) }
    package var queryBufferBytesMax: Int { queryBufferWord.load(ordering: .relaxed) }
    package var outputBufferBytesMax: Int { outputBufferWord.load(ordering: .relaxed) }
    /// The same as a bound.
    var replyBytesMax: Int { outputBufferBytesMax == 0 ? .max : outputBufferBytesMax }
    package var slowLogMicroseconds: Int { slowLogThresholdWord.load(ordering: .relaxed) }
    package var slowLogEntriesMax: Int { slowLogEntriesWord.load(ordering: .relaxed) }
    package var latencyThresholdMilliseconds: Int { latencyThresholdWord.load(ordering: .relaxed) }
    package var isProtected: Bool { isProtectedWord.load(ordering: .relaxed) }
    package var requiresPassword: Bool { password.requiresPassword }

    /// Whether the native protocol is served: a password turns it off unless asked otherwise.
    package var servesNative: Bool { !requiresPassword || allowsNativeWord.load(ordering: .relaxed) }
    /// Whether it would be served beside a password.
    package var allowsNative: Bool { allowsNativeWord.load(ordering: .relaxed) }

    /// Whether a password is these bytes; true where there is none.
    package func matches(password bytes: UnsafeRawBufferPointer) -> Bool { password.matches(bytes) }

    /// Whether clients of other machines are refused: with ``deniedText``.
    package var deniesOtherMachines: Bool { isProtected && !requiresPassword }

    /// Whether an address such as `127.0.0.1:4000` or `::1:4000` is this machine's own.
    package static func isLoopback(_ address: String) -> Bool {
        address.hasPrefix("127.") || address.hasPrefix("::1:") || address.hasPrefix("[::1]:")
            || address.hasPrefix("::ffff:127.")
    }

    package static let deniedText: StaticString =
        "-DENIED Protostore is running in protected mode because no password is set. In this mode connections are only accepted from the loopback interface. Set a password with requirepass (in the configuration file, by PROTOSTORE_REQUIREPASS, or by CONFIG SET from this machine), or disable protected mode with --protected-mode no in a network that you trust.\r\n"

    // MARK: How many clients there are

    /// Connections of all loops, and those on their way to one.
    package var clientCount: Int { clientCountWord.load(ordering: .relaxed) }

    /// - Returns: false where there are as many as there may be; then nothing is counted.
    package func admitClient() -> Bool {
        guard clientCount < clientsMax else { return false }
        clientCountWord.add(1, ordering: .relaxed)
        return true
    }

    /// So many that were admitted are gone.
    package func clientsWent(_ count: Int) {
        clientCountWord.subtract(count, ordering: .relaxed)
    }

    /// Changes whenever anything else here may have changed: a loop compares it once a turn.
    package var generation: UInt64 { generationWord.load(ordering: .acquiring) }

    /// All of them, one after the other.
    package var values: Values {
        var values = Values()
        values.clientsMax = clientsMax
        values.timeoutSeconds = timeoutSeconds
        values.tcpKeepAliveSeconds = tcpKeepAliveSeconds
        values.bulkBytesMax = bulkBytesMax
        values.queryBufferBytesMax = queryBufferBytesMax
        values.outputBufferBytesMax = outputBufferBytesMax
        values.slowLogMicroseconds = slowLogMicroseconds
        values.slowLogEntriesMax = slowLogEntriesMax
        values.latencyThresholdMilliseconds = latencyThresholdMilliseconds
        values.isProtected = isProtected
        values.allowsNative = allowsNative
        return values
    }

    // MARK: Written by the main thread

    /// Takes all of them over, and raises ``generation``.
    /// - Parameter values: checked by the caller.
    package func apply(_ values: Values) {
        clientsMaxWord.store(values.clientsMax, ordering: .relaxed)
        timeoutWord.store(values.timeoutSeconds, ordering: .relaxed)
        keepAliveWord.store(values.tcpKeepAliveSeconds, ordering: .relaxed)
        bulkBytesWord.store(values.bulkBytesMax, ordering: .relaxed)
        queryBufferWord.store(values.queryBufferBytesMax, ordering: .relaxed)
        outputBufferWord.store(values.outputBufferBytesMax, ordering: .relaxed)
        slowLogThresholdWord.store(values.slowLogMicroseconds, ordering: .relaxed)
        slowLogEntriesWord.store(values.slowLogEntriesMax, ordering: .relaxed)
        latencyThresholdWord.store(values.latencyThresholdMilliseconds, ordering: .relaxed)
        isProtectedWord.store(values.isProtected, ordering: .relaxed)
        allowsNativeWord.store(values.allowsNative, ordering: .relaxed)
        generationWord.add(1, ordering: .releasing)
    }

    /// - Parameter bytes: the new password, of which the hash alone is kept; empty for none.
    package func setPassword(_ bytes: UnsafeRawBufferPointer) {
        password.set(bytes)
        generationWord.add(1, ordering: .releasing)
    }
}
