import Synchronization

/// A value behind a lock: `Synchronization.Mutex`, in an order that the thread sanitizer sees.
///
/// The lock stands in a library that is not instrumented; without more, the sanitizer takes what it
/// protects for a race. Built with `-DTHREAD_SANITIZER`, each holder also acquires what the one
/// before released by an atomic of our own. In any other build this is the mutex and nothing else.
package struct Locked<Value: ~Copyable>: ~Copyable, Sendable {
    private let mutex: Mutex<Value>
    #if THREAD_SANITIZER
    private let turn = Atomic<Int>(0)
    #endif

    package init(_ value: consuming sending Value) {
        mutex = Mutex(value)
    }

    /// Waits for the lock, and calls `body` with the value.
    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try mutex.withLock { value throws(Failure) -> sending Result in
            #if THREAD_SANITIZER
            _ = turn.load(ordering: .acquiring)
            defer { turn.store(1, ordering: .releasing) }
            #endif
            return try body(&value)
        }
    }
}
