/// Accepts connections for as long as descriptors last.
///
/// When they run out, accepting pauses until the next `resume`, says so once, and
/// the connections that stand go on. Those that wait stay in the kernel's queue.
struct Listener: ~Copyable {
    private let socket: FileDescriptor
    let host: String
    let port: UInt16
    /// Since when descriptors are exhausted.
    private(set) var isPaused = false
    private(set) var pauseCount: UInt64 = 0

    init(host: String, port: UInt16) throws(SystemError) {
        let socket = try Socket.listen(host: host, port: port)
        self.port = try Socket.localPort(socket.rawValue)
        self.socket = socket
        self.host = host
    }

    var rawDescriptor: CInt { socket.rawValue }

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
                    isPaused = true
                    pauseCount &+= 1
                    return .paused(error)
                default: return .failed(error)
                }
            }
        }
        return .more
    }
}
