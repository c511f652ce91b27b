/// A stable handle of a key: its hash in this table, 64 bits. It stays the same however the table
/// grows, and when the pair is removed and put again.
public struct SharedTableHandle: Hashable, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

extension SharedTable {
    /// The number of buckets: parts of the table with a lock each, by the first bits of the hash.
    public static var bucketCount: Int { SharedTableLayout.stripeCount }

    /// The bucket that a key belongs to.
    public func bucket(ofKey key: UnsafeRawBufferPointer) -> Int { TableHash.stripe(hash(key)) }

    // MARK: Handles

    /// The handle of a key, whether it is there or not.
    public func handle(ofKey key: UnsafeRawBufferPointer) -> SharedTableHandle {
        SharedTableHandle(rawValue: hash(key))
    }

    /// Copies the value of the key that has a handle.
    /// - Returns: how many bytes the value has, or nil if no such key is there.
    /// - Throws: `.ambiguousHandle` where two keys of the table have it: one in 2^64 pairs of keys.
    public func get(
        handle: SharedTableHandle, into target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int? {
        let count = try readHandle(handle.rawValue, into: target)
        return count < 0 ? nil : count
    }

    /// Copies the value of the key that has a handle into a new array.
    public func get(handle: SharedTableHandle) throws(SharedTableError) -> [UInt8]? {
        try growing { (target) throws(SharedTableError) in try readHandle(handle.rawValue, into: target) }
    }

    private func readHandle(
        _ hash: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(SharedTableError) -> Int {
        let stripe = TableStripe(memory, index: TableHash.stripe(hash))
        return try locked(stripe) { () throws(SharedTableError) in
            guard let offset = stripe.lockedRegion(of: hash).page(of: hash, in: memory) else { return -1 }
            let places = TablePage(memory, at: offset).places(withHash: hash & TableHash.withinStripeMask, of: hash)
            guard let place = places.first else { return -1 }
            guard places.count == 1 else { throw .ambiguousHandle }
            return try stripe.copyValue(at: place, into: target)
        }
    }

    // MARK: All pairs

    /// Calls `body` with every pair, in the order of hashes, while others read and write.
    ///
    /// A pair that is there all the time is seen once, one that comes or goes meanwhile once or
    /// not at all. Pairs are copied page by page under the stripe's lock; `body` runs without it
    /// and may use the table. The buffers are valid during the call.
    /// - Parameter body: returns whether to go on.
    /// - Complexity: O(pairs); memory for the pairs of one page, about 230.
    public func forEach(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(SharedTableError) -> Bool
    ) throws(SharedTableError) {
        var copies = TablePairs()
        for bucket in 0..<Self.bucketCount {
            guard try walk(bucket, &copies, body) else { return }
        }
    }

    /// Calls `body` with every pair of one bucket; see ``forEach(_:)``.
    /// - Parameter bucket: in `0..<bucketCount`.
    public func forEach(
        inBucket bucket: Int,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(SharedTableError) -> Bool
    ) throws(SharedTableError) {
        precondition(bucket >= 0 && bucket < Self.bucketCount)
        var copies = TablePairs()
        _ = try walk(bucket, &copies, body)
    }

    /// - Returns: whether to go on.
    private func walk(
        _ bucket: Int, _ copies: inout TablePairs,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(SharedTableError) -> Bool
    ) throws(SharedTableError) -> Bool {
        let stripe = TableStripe(memory, index: bucket)
        var rest = [TableWalkPart()]
        while let part = rest.popLast() {
            copies.removeAll()
            let next = try locked(stripe) { () throws(SharedTableError) in
                try stripe.copyPage(of: part, into: &copies)
            }
            guard try copies.forEach(body) else { return false }
            rest += next
        }
        return true
    }
}

/// Pairs that were copied out of the table.
struct TablePairs {
    private var bytes: [UInt8] = []
    private var counts: [(key: Int, value: Int)] = []

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        counts.removeAll(keepingCapacity: true)
    }

    mutating func append(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: key)
        bytes.append(contentsOf: value)
        counts.append((key.count, value.count))
    }

    /// - Returns: whether `body` wanted all of them.
    func forEach(
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(SharedTableError) -> Bool
    ) throws(SharedTableError) -> Bool {
        var failure: SharedTableError?
        let isComplete = bytes.withUnsafeBytes { bytes in
            var place = 0
            return counts.allSatisfy { count in
                let key = UnsafeRawBufferPointer(rebasing: bytes[place..<place + count.key])
                let value = UnsafeRawBufferPointer(rebasing: bytes[(place + count.key)..<(place + count.key + count.value)])
                place += count.key + count.value
                do throws(SharedTableError) { return try body(key, value) } catch { failure = error }
                return false
            }
        }
        if let failure { throw failure }
        return isComplete
    }
}

extension TablePage {
    /// The cells of both lines whose key has this hash within the stripe.
    func places(withHash withinStripe: UInt64, of hash: UInt64) -> [Int] {
        let (first, second) = places(hash)
        return [first, second].flatMap { line in (0..<Self.lineCells).map { line + $0 * TableCell.byteCount } }
            .filter { !cell(at: $0).isEmpty && cell(at: $0).hash(seed: memory.hashSeed) == withinStripe }
    }
}
