import CLinux
import Glibc

/// TCP sockets. All of them are non-blocking and close-on-exec.
package enum Socket {
    /// What a transfer on a non-blocking socket came to.
    package enum Transfer: Equatable {
        case bytes(Int)
        case wouldBlock
        /// Orderly end, or the peer is gone.
        case closed
        case failed(CInt)
    }

    package struct Accepted: ~Copyable {
        package let descriptor: FileDescriptor
        /// `address:port` of the peer.
        package let peer: String

        package consuming func take() -> (FileDescriptor) { descriptor }
    }

    /// Binds and listens. `host` is a numeric address or a name; port 0 lets
    /// the kernel choose.
    package static func listen(
        host: String, port: UInt16, backlog: CInt = 4096
    ) throws(SystemError) -> FileDescriptor {
        let subject = "\(host):\(port)"
        return try withFirstAddress(host: host, port: port, passive: true) { (address) throws(SystemError) in
            let listener = try make(address, subject)
            _ = linux_socket_set_int(listener.rawValue, linux_SOL_SOCKET, linux_SO_REUSEADDR, 1)
            prepareForAccepting(listener.rawValue)
            guard bind(listener.rawValue, address.ai_addr, address.ai_addrlen) == 0 else {
                throw .last("bind", on: subject)
            }
            guard Glibc.listen(listener.rawValue, backlog) == 0 else { throw .last("listen", on: subject) }
            return listener
        }
    }

    /// Connects, waiting until the connection stands.
    package static func blockingConnect(host: String, port: UInt16) throws(SystemError) -> FileDescriptor {
        let subject = "\(host):\(port)"
        return try withFirstAddress(host: host, port: port, passive: false) { (address) throws(SystemError) in
            let connection = try make(address, subject)
            if connect(connection.rawValue, address.ai_addr, address.ai_addrlen) != 0 {
                guard errno == EINPROGRESS else { throw .last("connect", on: subject) }
                var poller = pollfd(fd: connection.rawValue, events: Int16(POLLOUT), revents: 0)
                while poll(&poller, 1, -1) < 0 && errno == EINTR {}
                var code: CInt = 0
                var size = socklen_t(MemoryLayout<CInt>.size)
                getsockopt(connection.rawValue, linux_SOL_SOCKET, SO_ERROR, &code, &size)
                guard code == 0 else { throw SystemError("connect", code: code, on: subject) }
            }
            setNoDelay(connection.rawValue)
            return connection
        }
    }

    private static func make(_ address: addrinfo, _ subject: String) throws(SystemError) -> FileDescriptor {
        let type = address.ai_socktype | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.ai_family, type, address.ai_protocol)
        guard descriptor >= 0 else { throw .last("socket", on: subject) }
        return FileDescriptor(owning: descriptor)
    }

    private static func withFirstAddress(
        host: String, port: UInt16, passive: Bool, _ body: (addrinfo) throws(SystemError) -> FileDescriptor
    ) throws(SystemError) -> FileDescriptor {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = passive ? AI_PASSIVE : 0
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, let first = list else {
            if code == EAI_SYSTEM { throw .last("getaddrinfo", on: host) }
            throw SystemError("getaddrinfo", code: code, on: host, text: String(cString: gai_strerror(code)))
        }
        defer { freeaddrinfo(list) }
        return try body(first.pointee)
    }

    /// The next waiting connection, with its peer's address.
    /// - Throws: the error of accept4; EAGAIN when none waits.
    package static func accept(_ listener: CInt) throws(SystemError) -> Accepted {
        while true {
            var descriptor: CInt = -1
            let peer = address { text, byteCount, port in
                descriptor = linux_accept(listener, text, byteCount, &port)
                return descriptor >= 0
            }
            if let peer {
                return Accepted(descriptor: FileDescriptor(owning: descriptor), peer: "\(peer.host):\(peer.port)")
            }
            // A connection that died while it waited is no reason to stop accepting.
            if errno == EINTR || errno == ECONNABORTED { continue }
            throw .last("accept4")
        }
    }

    /// The port a bound socket listens on.
    package static func localPort(_ descriptor: CInt) throws(SystemError) -> UInt16 {
        guard let local = local(descriptor) else { throw .last("getsockname") }
        return local.port
    }

    /// `address:port` of this end of a connection; nil where it has none.
    package static func localAddress(_ descriptor: CInt) -> String? {
        local(descriptor).flatMap { $0.host.isEmpty ? nil : "\($0.host):\($0.port)" }
    }

    private static func local(_ descriptor: CInt) -> (host: String, port: UInt16)? {
        address { text, byteCount, port in linux_local_address(descriptor, text, byteCount, &port) == 0 }
    }

    /// - Parameter write: writes a numeric address and its end; false where there is none.
    private static func address(
        _ write: (UnsafeMutablePointer<CChar>, _ byteCount: Int, _ port: inout UInt16) -> Bool
    ) -> (host: String, port: UInt16)? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            guard let text = buffer.baseAddress else { return nil }
            var port: UInt16 = 0
            return write(text, buffer.count, &port) ? (String(cString: text), port) : nil
        }
    }

    package static func receive(_ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        transfer(recv(descriptor, buffer.baseAddress, buffer.count, 0), isReceive: true)
    }

    package static func send(_ descriptor: CInt, _ buffer: UnsafeRawBufferPointer) -> Transfer {
        transfer(Glibc.send(descriptor, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL)), isReceive: false)
    }

    /// Whether the peer's machine has not acknowledged everything that was sent.
    package static func hasUnsentBytes(_ descriptor: CInt) -> Bool {
        linux_socket_unsent_bytes(descriptor) > 0
    }

    private static func transfer(_ count: Int, isReceive: Bool) -> Transfer {
        if count > 0 { return .bytes(count) }
        if count == 0 { return isReceive ? .closed : .bytes(0) }
        switch ErrorClass(errno) {
        case .retry, .wouldBlock: return .wouldBlock
        case .disconnected: return .closed
        case .exhausted, .report: return .failed(errno)
        }
    }

    /// Sets what accepted connections inherit: to notice a peer whose machine or network is gone,
    /// which never says so.
    /// - Parameter seconds: of silence before the kernel asks whether the peer is still there, so
    ///   that about twice as many end the connection; 0 = it never asks.
    package static func setKeepAlive(_ listener: CInt, seconds: Int) {
        let seconds = CInt(clamping: max(0, min(seconds, Int(Int16.max))))
        _ = linux_socket_set_int(listener, linux_SOL_SOCKET, linux_SO_KEEPALIVE, seconds > 0 ? 1 : 0)
        guard seconds > 0 else { return }
        _ = linux_socket_set_int(listener, linux_IPPROTO_TCP, linux_TCP_KEEPIDLE, seconds)
        _ = linux_socket_set_int(listener, linux_IPPROTO_TCP, linux_TCP_KEEPINTVL, max(1, seconds / 10))
    }

    /// Sets what accepted connections inherit: to send at once, and to notice a peer that is gone.
    private static func prepareForAccepting(_ listener: CInt) {
        setNoDelay(listener)
        setKeepAlive(listener, seconds: 300)
    }

    private static func setNoDelay(_ descriptor: CInt) {
        _ = linux_socket_set_int(descriptor, linux_IPPROTO_TCP, linux_TCP_NODELAY, 1)
    }
}
