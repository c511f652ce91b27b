import Synchronization

/// Whether the store may still acknowledge writes. All its shards share it, since
/// they share the disk and its cache: after one failed write or flush it is not
/// known what reached stable storage, so none of them acknowledges anything any
/// more. A failed flush is never tried again; the kernel may have dropped the
/// data, and would report success.
package final class StoreHealth: Sendable {
    /// 0, or the error number of the first failure.
    private let failure = Atomic<CInt>(0)

    package init() {}

    /// The error number of the first failed write or flush, or nil.
    ///
    /// Acquiring, with the releasing store: whoever sees a completion that another
    /// thread's failure came before also sees the failure.
    package var failureCode: CInt? {
        let code = failure.load(ordering: .acquiring)
        return code == 0 ? nil : code
    }

    package var acceptsWrites: Bool { failure.load(ordering: .acquiring) == 0 }

    /// - Returns: whether this is the first failure.
    @discardableResult
    package func fail(_ code: CInt) -> Bool {
        failure.compareExchange(expected: 0, desired: code == 0 ? -1 : code, ordering: .acquiringAndReleasing).exchanged
    }
}
