import Csodium
import Synchronization

/// A password that connections have to give, kept as a salted hash only.
///
/// The hash is libsodium's `crypto_auth`, HMAC-SHA-512-256, under a random key that is
/// made anew for each password, so neither a dump of the process nor two equal passwords
/// say anything. It is no protection for a password that can be guessed: guessing is as
/// fast as SHA-512 is.
struct PasswordHash: Sendable {
    private var salt = [UInt8](repeating: 0, count: Int(crypto_auth_KEYBYTES))
    private var code = [UInt8](repeating: 0, count: Int(crypto_auth_BYTES))

    /// - Parameter password: any bytes; the caller forgets them.
    init(of password: UnsafeRawBufferPointer) {
        // It may be called again and again, and fails only where a system has no randomness.
        precondition(sodium_init() >= 0, "libsodium finds no source of random numbers")
        crypto_auth_keygen(&salt)
        crypto_auth(&code, password.baseAddress, UInt64(password.count), salt)
    }

    /// In time that does not depend on where the two differ.
    func matches(_ password: UnsafeRawBufferPointer) -> Bool {
        crypto_auth_verify(code, password.baseAddress, UInt64(password.count), salt) == 0
    }
}

/// The password that holds now, if any, for all threads.
package final class PasswordGate: Sendable {
    /// AUTH is rare, so a lock does; whether there is a password at all is asked by each
    /// connection that comes.
    private let hash = Locked<PasswordHash?>(nil)
    private let isSet = Atomic<Bool>(false)

    init() {}

    /// Whether connections have to give one.
    package var requiresPassword: Bool { isSet.load(ordering: .acquiring) }

    /// Whether these bytes are the password; true where there is none.
    package func matches(_ password: UnsafeRawBufferPointer) -> Bool {
        // Copied out: the hash is computed without the lock.
        guard let current = hash.withLock({ $0 }) else { return true }
        return current.matches(password)
    }

    /// - Parameter password: empty for none.
    func set(_ password: UnsafeRawBufferPointer) {
        let new = password.isEmpty ? nil : PasswordHash(of: password)
        hash.withLock { $0 = new }
        isSet.store(new != nil, ordering: .releasing)
    }
}
