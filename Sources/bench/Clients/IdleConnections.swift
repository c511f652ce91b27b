import Protostore

/// Connections that stay silent: what a server has to bear for free.
///
/// A connection counts as opened when the handshake is done, which the kernel
/// of the server's machine does before the server accepts it. A server that
/// turns it down then closes it, and that is counted too.
struct IdleConnections: ~Copyable {
    private let epoll: Epoll
    private let descriptors: UnsafeMutablePointer<FileDescriptor?>
    private let capacity: Int
    private(set) var opened = 0

    init(capacity: Int) throws(SystemError) {
        epoll = try Epoll()
        self.capacity = capacity
        descriptors = .allocate(capacity: capacity)
        for index in 0..<capacity { (descriptors + index).initialize(to: nil) }
    }

    deinit {
        descriptors.deinitialize(count: capacity)
        descriptors.deallocate()
    }

    /// Opens up to `count` connections, one after the other.
    /// - Returns: why it ended early, or nil.
    mutating func open(_ count: Int, host: String, port: UInt16) -> SystemError? {
        precondition(opened + count <= capacity)
        do throws(SystemError) {
            for _ in 0..<count {
                let descriptor = try Socket.blockingConnect(host: host, port: port)
                try epoll.add(descriptor.rawValue, [.peerClosed, .edgeTriggered], data: UInt64(opened))
                descriptors[opened] = consume descriptor
                opened += 1
            }
            return nil
        } catch {
            return error
        }
    }

    /// Holds what is open.
    /// - Returns: how many the server closed until the time was over.
    mutating func blockingHold(nanoseconds: UInt64) throws(SystemError) -> Int {
        let end = Clock.monotonicNanoseconds() + nanoseconds
        var closed = 0
        while true {
            let now = Clock.monotonicNanoseconds()
            let ready = try epoll.blockingWaitForEvents(timeoutNanoseconds: end > now ? end - now : 0)
            for number in 0..<ready {
                // A close may be told in two steps; the descriptor goes with the first.
                let index = Int(epoll.event(at: number).data)
                if (descriptors + index).pointee.take() != nil { closed += 1 }
            }
            if now >= end, ready == 0 || closed == opened { return closed }
        }
    }
}
