import Glibc

/// A counter that threads of this process raise and wait to lower (sem_t).
package struct Semaphore: ~Copyable, @unchecked Sendable {
    // Sendable because that is what a semaphore is for; it stays at one address.
    private let word: UnsafeMutablePointer<sem_t>

    /// - Parameter count: how often it can be lowered before somebody has to wait.
    package init(count: Int) {
        word = .allocate(capacity: 1)
        word.initialize(to: sem_t())
        // Fails for counts beyond the limit of the system only, which is 2^31.
        precondition(sem_init(word, 0, UInt32(count)) == 0)
    }

    deinit {
        sem_destroy(word)
        word.deallocate()
    }

    /// Raises the counter by one. What was written before is seen by whoever lowers it.
    package func signal() {
        sem_post(word)
    }

    /// Lowers the counter by one, as soon as it is above zero.
    package func blockingWait() {
        while sem_wait(word) != 0 && errno == EINTR {}
    }
}
