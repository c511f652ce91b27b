import Glibc

/// Comparing memory at the speed of the C library.
package enum ByteOrder {
    @inline(__always)
    package static func areEqual(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Bool {
        memcmp(left, right, count) == 0
    }
}
