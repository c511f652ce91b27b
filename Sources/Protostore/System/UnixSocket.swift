import CLinux
import Glibc

/// Stream sockets with a name in a directory.
///
/// A socket's address has room for 107 bytes of path; longer ones go by way of the opened
/// directory, `/proc/self/fd/N/name`.
package enum UnixSocket {
    /// Binds and listens, for the owner alone. A file of that name is replaced.
    /// - Returns: non-blocking.
    package static func listen(directory: String, name: String, backlog: CInt = 8) throws(SystemError) -> FileDescriptor {
        let path = "\(directory)/\(name)"
        let listener = try make(SOCK_NONBLOCK.rawValue, path)
        // Before the name is there: it never has other rights.
        guard fchmod(listener.rawValue, 0o600) == 0 else { throw .last("fchmod", on: path) }
        try Directory.removeFile(path)
        try withAddress(directory, name) { (address, byteCount) throws(SystemError) in
            guard bind(listener.rawValue, address, byteCount) == 0 else { throw .last("bind", on: path) }
        }
        guard Glibc.listen(listener.rawValue, backlog) == 0 else { throw .last("listen", on: path) }
        return listener
    }

    /// Connects.
    /// - Returns: a socket whose calls wait.
    package static func blockingConnect(directory: String, name: String) throws(SystemError) -> FileDescriptor {
        let path = "\(directory)/\(name)"
        let connection = try make(0, path)
        try withAddress(directory, name) { (address, byteCount) throws(SystemError) in
            var result = connect(connection.rawValue, address, byteCount)
            while result != 0, errno == EINTR { result = connect(connection.rawValue, address, byteCount) }
            guard result == 0 else { throw .last("connect", on: path) }
        }
        return connection
    }

    /// The next waiting connection, non-blocking.
    /// - Throws: the error of accept4; EAGAIN when none waits.
    package static func accept(_ listener: CInt) throws(SystemError) -> FileDescriptor {
        try Socket.accept(listener).take()
    }

    /// The user on whose behalf the other side connected; nil where the kernel does not say.
    package static func peerUser(_ descriptor: CInt) -> UInt32? {
        let user = linux_socket_peer_user(descriptor)
        return user < 0 ? nil : UInt32(truncatingIfNeeded: user)
    }

    private static func make(_ flags: UInt32, _ path: String) throws(SystemError) -> FileDescriptor {
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | flags)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw .last("socket", on: path) }
        return FileDescriptor(owning: descriptor)
    }

    private static func withAddress(
        _ directory: String, _ name: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> Void
    ) throws(SystemError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        var path = Array("\(directory)/\(name)".utf8)
        let opened = path.count < capacity ? nil : try OpenedDirectory(directory)
        if let opened { path = Array("/proc/self/fd/\(opened.descriptor.rawValue)/\(name)".utf8) }
        guard path.count < capacity else { throw SystemError("bind", code: ENAMETOOLONG, on: name) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        try withUnsafePointer(to: &address) { (pointer) throws(SystemError) in
            try body(
                UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        withExtendedLifetime(opened) {}
    }

    private final class OpenedDirectory {
        let descriptor: FileDescriptor

        init(_ path: String) throws(SystemError) {
            descriptor = try FileDescriptor.open(path)
        }
    }
}

extension Directory {
    /// The path from the root on, as the process sees it now.
    package static func absolutePath(_ path: String) throws(SystemError) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { throw .last("getcwd") }
        defer { free(current) }
        return "\(String(cString: current))/\(path)"
    }
}
