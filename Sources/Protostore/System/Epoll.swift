import CLinux
import Glibc

/// An epoll instance and the buffer its events are delivered into.
///
/// Descriptors carry 64 bits of the caller's: a slot number and its
/// generation, so that an event of a descriptor that was closed and reused
/// within one batch is recognised as stale.
package struct Epoll: ~Copyable {
    package struct Events: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let readable = Events(rawValue: linux_EPOLLIN)
        package static let writable = Events(rawValue: linux_EPOLLOUT)
        package static let error = Events(rawValue: linux_EPOLLERR)
        package static let hangUp = Events(rawValue: linux_EPOLLHUP)
        /// The peer will send no more.
        package static let peerClosed = Events(rawValue: linux_EPOLLRDHUP)
        /// Report each change once instead of reporting a state forever.
        package static let edgeTriggered = Events(rawValue: linux_EPOLLET)
    }

    package struct Event {
        package let events: Events
        package let data: UInt64
    }

    private let descriptor: FileDescriptor

    /// For another epoll instance: readable while this one has events.
    package var rawDescriptor: CInt { descriptor.rawValue }

    private let buffer: UnsafeMutableRawPointer
    private let capacity: Int

    /// - Parameter capacity: the most events that one wait returns.
    package init(capacity: Int = 512) throws(SystemError) {
        let descriptor = linux_epoll_create()
        guard descriptor >= 0 else { throw .last("epoll_create1") }
        self.descriptor = FileDescriptor(owning: descriptor)
        self.capacity = capacity
        self.buffer = .allocate(byteCount: capacity * linux_epoll_event_size(), alignment: 16)
    }

    deinit {
        buffer.deallocate()
    }

    package func add(_ fd: CInt, _ events: Events, data: UInt64) throws(SystemError) {
        guard linux_epoll_add(descriptor.rawValue, fd, events.rawValue, data) == 0 else { throw .last("epoll_ctl") }
    }

    package func modify(_ fd: CInt, _ events: Events, data: UInt64) throws(SystemError) {
        guard linux_epoll_modify(descriptor.rawValue, fd, events.rawValue, data) == 0 else { throw .last("epoll_ctl") }
    }

    /// Closing a descriptor removes it too; this is for one that stays open.
    package func remove(_ fd: CInt) throws(SystemError) {
        guard linux_epoll_remove(descriptor.rawValue, fd) == 0 else { throw .last("epoll_ctl") }
    }

    /// Waits for events.
    /// - Parameter timeoutMilliseconds: -1 waits forever, 0 only looks.
    /// - Returns: the number of events, read with `event(at:)` until the next wait.
    ///   A signal counts as no events.
    package func blockingWaitForEvents(timeoutMilliseconds: CInt) throws(SystemError) -> Int {
        try eventCount(linux_epoll_wait(descriptor.rawValue, buffer, CInt(capacity), timeoutMilliseconds))
    }

    /// The same with a finer timeout, for schedules that a millisecond would blur.
    /// - Parameter timeoutNanoseconds: 0 only looks. Kernels before 5.11 round it up to milliseconds.
    package func blockingWaitForEvents(timeoutNanoseconds: UInt64) throws(SystemError) -> Int {
        let timeout = Int64(clamping: timeoutNanoseconds)
        return try eventCount(
            linux_epoll_wait_nanoseconds(descriptor.rawValue, buffer, CInt(capacity), timeout))
    }

    private func eventCount(_ result: CInt) throws(SystemError) -> Int {
        if result >= 0 { return Int(result) }
        if errno == EINTR { return 0 }
        throw .last("epoll_wait")
    }

    package func event(at index: Int) -> Event {
        Event(
            events: Events(rawValue: linux_epoll_event_mask(buffer, CInt(index))),
            data: linux_epoll_event_data(buffer, CInt(index)))
    }
}
