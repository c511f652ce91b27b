/// Accepts connections, and refuses those for which there is no room in words.
///
/// When descriptors run out, one that is kept in reserve lets the listener accept those that wait,
/// say why, and close. Only where not even that is possible does accepting pause until the next
/// `acceptBatch`; those that wait stay in the kernel's queue, and the connections that stand go on.
struct Listener: ~Copyable {
    private let socket: FileDescriptor
    let host: String
    let port: UInt16
    /// Since when descriptors are exhausted, and none is left to say so with.
    private(set) var isPaused = false
    private(set) var pauseCount: UInt64 = 0
    /// Connections that were told that there is no room.
    private(set) var refusedCount: UInt64 = 0
    /// Given up for the moment that refusing one takes.
    private var spare: FileDescriptor?

    /// As Redis says it; a native client takes it for a reply that it cannot place, and for an end.
    static let noRoomText: StaticString = "-ERR max number of clients reached\r\n"

    init(host: String, port: UInt16) throws(SystemError) {
        let socket = try Socket.listen(host: host, port: port)
        self.port = try Socket.localPort(socket.rawValue)
        self.socket = socket
        self.host = host
        spare = Self.openSpare()
    }

    var rawDescriptor: CInt { socket.rawValue }

    /// What connections inherit that are accepted from now on.
    func setKeepAlive(seconds: Int) { Socket.setKeepAlive(socket.rawValue, seconds: seconds) }

    /// So many at a time, so that those who connect do not keep the caller from everything else.
    private static let batchMax = 256

    enum Outcome {
        case drained
        /// More may wait.
        case more
        /// Out of descriptors or memory: with the error that said so.
        case paused(SystemError)
        case failed(SystemError)
    }

    /// Accepts those that wait, up to a bound, and hands each to `body`.
    mutating func acceptBatch(_ body: (consuming FileDescriptor, String) -> Void) -> Outcome {
        for _ in 0..<Self.batchMax {
            do throws(SystemError) {
                let accepted = try Socket.accept(socket.rawValue)
                let peer = accepted.peer
                body(accepted.take(), peer)
            } catch {
                switch ErrorClass(error.code) {
                case .wouldBlock:
                    isPaused = false
                    return .drained
                case .exhausted:
                    switch refuseWithSpare() {
                    case .refused: continue
                    case .noneWaits:
                        isPaused = false
                        return .drained
                    case .impossible:
                        isPaused = true
                        pauseCount &+= 1
                        return .paused(error)
                    }
                default: return .failed(error)
                }
            }
        }
        return .more
    }

    private enum Refusal {
        case refused
        /// Without a descriptor to give, accepting fails in the same way whether one waits or not.
        case noneWaits
        case impossible
    }

    private mutating func refuseWithSpare() -> Refusal {
        guard spare != nil else {
            // Another thread was quicker the last time.
            spare = Self.openSpare()
            return .impossible
        }
        spare = nil
        defer { spare = Self.openSpare() }
        do throws(SystemError) {
            let accepted = try Socket.accept(socket.rawValue)
            Self.refuse(accepted.take(), Self.noRoomText)
            refusedCount &+= 1
            return .refused
        } catch {
            return ErrorClass(error.code) == .wouldBlock ? .noneWaits : .impossible
        }
    }

    private static func openSpare() -> FileDescriptor? { try? FileDescriptor.open("/dev/null") }

    /// Says why, as far as the socket takes it at once, and closes.
    static func refuse(_ descriptor: consuming FileDescriptor, _ text: StaticString) {
        _ = Socket.send(descriptor.rawValue, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
