import Glibc

extension FileDescriptor {
    /// Turns the lock of the open file (flock) into a shared one, or takes a shared one.
    /// - Returns: false if another open file description holds it exclusively.
    package func tryLockShared() throws(SystemError) -> Bool {
        if flock(rawValue, LOCK_SH | LOCK_NB) == 0 { return true }
        if errno == EWOULDBLOCK { return false }
        throw .last("flock")
    }

    /// Takes the exclusive lock of a block device that this process has opened exclusively.
    /// Who else holds it only looks what is on the device, as udev does for a moment after
    /// each process that has written to it.
    /// - Returns: false where somebody keeps it for longer than that.
    package func blockingLockDevice() throws(SystemError) -> Bool {
        for _ in 0..<100 {
            if try tryLockExclusively() { return true }
            Clock.blockingSleep(nanoseconds: 50_000_000)
        }
        return false
    }

    /// Gives the lock up; before closing, since closing alone does not always do it: a process that another
    /// thread has just started has all open descriptors until it executes its program, and the lock with them.
    package func unlock() {
        _ = flock(rawValue, LOCK_UN)
    }

    /// Opens the file of this descriptor again: a new open file description, whose
    /// locks are its own. For a child of a fork, which shares its parent's.
    package func reopened(writable: Bool) throws(SystemError) -> FileDescriptor {
        try FileDescriptor.open("/proc/self/fd/\(rawValue)", writable ? [.write] : [])
    }
}

extension Directory {
    /// Gives a file a second name, in one step and only if there is no file of that name.
    package static func link(_ from: String, to: String) throws(SystemError) {
        guard Glibc.link(from, to) == 0 else { throw .last("link", on: to) }
    }
}
