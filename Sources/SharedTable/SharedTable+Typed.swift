/// What a typed key or value is as bytes.
///
/// Integers are little-endian and as long as their type, UUIDs their 16 bytes as two words, strings their UTF-8.
public protocol SharedTableBytes {
    /// Calls `body` with the bytes.
    func withTableBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(SharedTableError) -> Result
    ) throws(SharedTableError) -> Result

    /// The value of the bytes, or nil if they are not one.
    init?(tableBytes: UnsafeRawBufferPointer)
}

extension SharedTableBytes where Self: FixedWidthInteger & BitwiseCopyable {
    @inlinable
    public func withTableBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(SharedTableError) -> Result
    ) throws(SharedTableError) -> Result {
        var word = littleEndian
        let outcome = withUnsafeBytes(of: &word) { bytes -> Swift.Result<Result, SharedTableError> in
            do throws(SharedTableError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    @inlinable
    public init?(tableBytes: UnsafeRawBufferPointer) {
        guard tableBytes.count == MemoryLayout<Self>.size else { return nil }
        self.init(littleEndian: tableBytes.loadUnaligned(as: Self.self))
    }
}

extension UInt8: SharedTableBytes {}
extension UInt16: SharedTableBytes {}
extension UInt32: SharedTableBytes {}
extension UInt64: SharedTableBytes {}
extension Int8: SharedTableBytes {}
extension Int16: SharedTableBytes {}
extension Int32: SharedTableBytes {}
extension Int64: SharedTableBytes {}
/// UUIDs, as numbers: a program with Foundation makes one from a UUID's bytes.
extension UInt128: SharedTableBytes {}

extension String: SharedTableBytes {
    public func withTableBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(SharedTableError) -> Result
    ) throws(SharedTableError) -> Result {
        try Array(utf8).withTableBytes(body)
    }

    public init?(tableBytes: UnsafeRawBufferPointer) {
        self.init(validating: tableBytes, as: UTF8.self)
    }
}

extension [UInt8]: SharedTableBytes {
    public func withTableBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(SharedTableError) -> Result
    ) throws(SharedTableError) -> Result {
        let outcome = withUnsafeBytes { bytes -> Swift.Result<Result, SharedTableError> in
            do throws(SharedTableError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    public init?(tableBytes: UnsafeRawBufferPointer) { self.init(tableBytes) }
}

extension SharedTable {
    /// Stores a pair; see ``put(key:value:)``.
    @inlinable @discardableResult
    public func put(_ key: some SharedTableBytes, _ value: some SharedTableBytes) throws(SharedTableError) -> Bool {
        try key.withTableBytes { (key) throws(SharedTableError) in
            try value.withTableBytes { (value) throws(SharedTableError) in try put(key: key, value: value) }
        }
    }

    /// Stores a pair unless the key is there; see ``putIfAbsent(key:value:)``.
    @inlinable
    public func putIfAbsent(
        _ key: some SharedTableBytes, _ value: some SharedTableBytes
    ) throws(SharedTableError) -> Bool {
        try key.withTableBytes { (key) throws(SharedTableError) in
            try value.withTableBytes { (value) throws(SharedTableError) in try putIfAbsent(key: key, value: value) }
        }
    }

    /// The value of a key.
    /// - Returns: nil if the key is not there, or its value is not of this type.
    @inlinable
    public func get<Value: SharedTableBytes>(
        _ key: some SharedTableBytes, as type: Value.Type = Value.self
    ) throws(SharedTableError) -> Value? {
        try key.withTableBytes { (key) throws(SharedTableError) in
            try get(key: key)?.withTableBytes { Value(tableBytes: $0) } ?? nil
        }
    }

    /// Whether a key is there.
    @inlinable
    public func contains(_ key: some SharedTableBytes) throws(SharedTableError) -> Bool {
        try key.withTableBytes { (key) throws(SharedTableError) in try contains(key: key) }
    }

    /// Replaces a value if it is the expected one; see ``compareAndSwap(key:expected:value:)``.
    @inlinable
    public func compareAndSwap<Value: SharedTableBytes>(
        _ key: some SharedTableBytes, expected: Value, _ value: Value
    ) throws(SharedTableError) -> Bool {
        try key.withTableBytes { (key) throws(SharedTableError) in
            try expected.withTableBytes { (expected) throws(SharedTableError) in
                try value.withTableBytes { (value) throws(SharedTableError) in
                    try compareAndSwap(key: key, expected: expected, value: value)
                }
            }
        }
    }

    /// Adds to a number; see ``add(key:_:)``.
    @inlinable @discardableResult
    public func add(_ key: some SharedTableBytes, _ amount: Int64) throws(SharedTableError) -> Int64 {
        try key.withTableBytes { (key) throws(SharedTableError) in try add(key: key, amount) }
    }

    /// Removes a pair.
    /// - Returns: whether it was there.
    @inlinable @discardableResult
    public func remove(_ key: some SharedTableBytes) throws(SharedTableError) -> Bool {
        try key.withTableBytes { (key) throws(SharedTableError) in try remove(key: key) }
    }

    /// Changes a value in place: `body` gets a copy of it, and what it makes of it is stored if the
    /// value is still the same, else `body` is called again with the new one. No lock is held meanwhile.
    /// - Returns: whether the key was there.
    public func update(
        _ key: some SharedTableBytes, _ body: (inout [UInt8]) -> Void
    ) throws(SharedTableError) -> Bool {
        try key.withTableBytes { (key) throws(SharedTableError) in
            while let old = try get(key: key) {
                var new = old
                body(&new)
                let isStored = try old.withTableBytes { (old) throws(SharedTableError) in
                    try new.withTableBytes { (new) throws(SharedTableError) in
                        try compareAndSwap(key: key, expected: old, value: new)
                    }
                }
                if isStored { return true }
            }
            return false
        }
    }
}
