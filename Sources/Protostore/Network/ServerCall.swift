/// What the server knows of one client's connection: a line of CLIENT LIST.
package struct ClientSnapshot: Sendable {
    /// Of the connection, never used again.
    package var id: UInt64
    /// `address:port` of the client, and of this end.
    package var address: String
    package var localAddress: String
    package var descriptor: CInt
    package var name: String
    /// Seconds since it was accepted, and since its last request.
    package var ageSeconds: UInt64
    package var idleSeconds: UInt64
    /// As Redis writes them: `N` for none, `x` in a transaction, `O` for MONITOR ...
    package var flags: String
    package var database: Int
    /// Commands in a transaction, or -1.
    package var queued: Int
    package var watched: Int
    /// Bytes of the request that is incomplete, and what its buffer has room for beyond.
    package var queryBufferBytes: Int
    package var queryBufferFree: Int
    /// Bytes of what a transaction has queued.
    package var queuedBytes: Int
    /// Bytes of replies that wait to be read.
    package var outputBytes: Int
    /// What all of it occupies, in bytes.
    package var totalBytes: Int
    package var events: String
    /// The last command, in small letters: `client|list`; nil before the first.
    package var lastCommand: String?
    package var user: String
    /// 2 or 3; 0 for the native protocol.
    package var protocolVersion: Int
    package var libraryName: String
    package var libraryVersion: String

    package init(id: UInt64, address: String) {
        self.id = id
        self.address = address
        localAddress = ""
        descriptor = -1
        name = ""
        ageSeconds = 0
        idleSeconds = 0
        flags = "N"
        database = 0
        queued = -1
        watched = 0
        queryBufferBytes = 0
        queryBufferFree = 0
        queuedBytes = 0
        outputBytes = 0
        totalBytes = 0
        events = "r"
        lastCommand = nil
        user = "default"
        protocolVersion = 2
        libraryName = ""
        libraryVersion = ""
    }

    /// As CLIENT LIST and CLIENT INFO write it, without the end of the line.
    package var line: String {
        var text = "id=\(id) addr=\(address) laddr=\(localAddress) fd=\(descriptor) name=\(name)"
        text += " age=\(ageSeconds) idle=\(idleSeconds) flags=\(flags) db=\(database) sub=0 psub=0 ssub=0"
        text += " multi=\(queued) qbuf=\(queryBufferBytes) qbuf-free=\(queryBufferFree) argv-mem=0"
        text += " multi-mem=\(queuedBytes) rbs=0 rbp=0 obl=\(outputBytes) oll=0 omem=\(outputBytes)"
        text += " tot-mem=\(totalBytes) events=\(events) cmd=\(lastCommand ?? "NULL") user=\(user) redir=-1"
        text += " resp=\(protocolVersion)"
        // Redis has them from 7.2 on: for those that read them, and only where they were given.
        if !libraryName.isEmpty { text += " lib-name=\(libraryName)" }
        if !libraryVersion.isEmpty { text += " lib-ver=\(libraryVersion)" }
        return text
    }
}

/// A command that the main thread carries out for a connection.
struct ServerCall: Sendable {
    let command: Command
    let arguments: OwnedArguments
    /// Who asks.
    let client: ClientSnapshot
    let loop: Int
    let connection: ConnectionID
    /// Comes back with the reply.
    let ticket: UInt32
    /// A transaction waits for it, and others for the keys of that: it must not take long.
    var holdsKeys = false

    init(
        command: Command, arguments: OwnedArguments, client: ClientSnapshot, loop: Int, connection: ConnectionID,
        ticket: UInt32
    ) {
        self.command = command
        self.arguments = arguments
        self.client = client
        self.loop = loop
        self.connection = connection
        self.ticket = ticket
    }
}

/// Calls on their way from the loops to the main thread. Each connection has one under way
/// at most, so there are no more than connections.
final class ServerDesk: Sendable {
    private let calls = Locked<[ServerCall]>([])
    private let wakeDescriptor: WakeDescriptor

    init() throws(SystemError) {
        wakeDescriptor = try WakeDescriptor()
    }

    /// For epoll, edge-triggered.
    var rawDescriptor: CInt { wakeDescriptor.rawValue }

    func send(_ call: ServerCall) {
        calls.withLock { $0.append(call) }
        wakeDescriptor.wake()
    }

    func takeAll() -> [ServerCall] {
        calls.withLock { waiting in
            defer { waiting.removeAll() }
            return waiting
        }
    }
}

/// Where loops put what they know of their connections, for CLIENT LIST, and how many they
/// have closed, for CLIENT KILL.
package final class ClientCollection: Sendable {
    private struct State {
        var clients: [ClientSnapshot] = []
        var closed = 0
        var answers = 0
    }

    private let state = Locked(State())
    private let wakeDescriptor: CInt

    /// - Parameter wakeDescriptor: an eventfd of the main thread, raised at each answer.
    package init(wakeDescriptor: CInt) {
        self.wakeDescriptor = wakeDescriptor
    }

    /// One loop's answer: its connections, or how many of them it has closed.
    package func add(_ clients: [ClientSnapshot], closed: Int = 0) {
        state.withLock {
            $0.clients += clients
            $0.closed += closed
            $0.answers += 1
        }
        WakeDescriptor.wake(wakeDescriptor)
    }

    /// - Returns: the clients by id, and how many were closed, once `count` loops have
    ///   answered; nil before.
    package func complete(count: Int) -> (clients: [ClientSnapshot], closed: Int)? {
        state.withLock { state in
            guard state.answers >= count else { return nil }
            return (state.clients.sorted { $0.id < $1.id }, state.closed)
        }
    }
}

/// Which connections CLIENT KILL and CLIENT LIST are about. All that is given has to hold.
package struct ClientFilter: Sendable {
    package enum Kind: String, Sendable {
        case normal, master, replica, pubsub
    }

    package var ids: [UInt64]?
    package var address: String?
    package var localAddress: String?
    package var user: String?
    package var kind: Kind?
    /// Of the connection that asks, to be left alone; nil where it is not.
    package var except: UInt64?

    package init() {}

    package func matches(_ client: ClientSnapshot) -> Bool {
        if let ids, !ids.contains(client.id) { return false }
        if let address, address != client.address { return false }
        if let localAddress, localAddress != client.localAddress { return false }
        if let user, user != client.user { return false }
        if let kind, kind != .normal { return false }
        return client.id != except
    }
}
