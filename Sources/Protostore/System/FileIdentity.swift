import Glibc

/// What a path leads to, symbolic links followed: which file, and of which kind.
package struct FileIdentity: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case regular
        case directory
        case blockDevice
        /// Pipes, sockets, character devices.
        case other
    }

    package let kind: Kind
    /// Of the file system that the file is in; of a block device its own number, by whatever node.
    package let device: UInt64
    /// 0 for block devices.
    package let inode: UInt64

    package init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .regular
        case S_IFDIR: kind = .directory
        case S_IFBLK: kind = .blockDevice
        default: kind = .other
        }
        device = UInt64(kind == .blockDevice ? status.st_rdev : status.st_dev)
        inode = kind == .blockDevice ? 0 : UInt64(status.st_ino)
    }

    /// - Returns: nil where there is nothing.
    package static func of(_ path: String) throws(SystemError) -> FileIdentity? {
        var status = stat()
        if stat(path, &status) == 0 { return FileIdentity(status) }
        guard errno == ENOENT || errno == ENOTDIR else { throw .last("stat", on: path) }
        return nil
    }
}

extension FileDescriptor {
    package func identity() throws(SystemError) -> FileIdentity { FileIdentity(try status()) }
}
