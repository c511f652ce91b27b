/// What a command knows besides its arguments.
package struct CommandContext {
    /// The keys that it has named.
    package let keyspace: Keyspace
    /// The databases' namespaces, as they were when the command, or its transaction, came.
    package let namespaces: [UInt32]
    /// The selected one of them.
    package let database: Int
    /// The time that holds for the whole command, or transaction.
    package let nowMilliseconds: UInt64
    /// The most bytes that a value may have.
    package let valueBytesMax: Int
    /// The most bytes that a reply may have.
    package let replyBytesMax: Int

    package init(
        keyspace: Keyspace, namespaces: [UInt32], database: Int, nowMilliseconds: UInt64, valueBytesMax: Int,
        replyBytesMax: Int = .max
    ) {
        self.keyspace = keyspace
        self.namespaces = namespaces
        self.database = database
        self.nowMilliseconds = nowMilliseconds
        self.valueBytesMax = valueBytesMax
        self.replyBytesMax = replyBytesMax
    }

    /// A key of the selected database.
    package func key(_ bytes: UnsafeRawBufferPointer) -> KeyName {
        KeyName(namespace: namespaces[database], bytes: Array(bytes))
    }

    /// - Parameter database: checked by the caller.
    package func key(_ bytes: UnsafeRawBufferPointer, inDatabase database: Int) -> KeyName {
        KeyName(namespace: namespaces[database], bytes: Array(bytes))
    }

    package func record(of key: KeyName) -> KeyRecord? { keyspace.record(of: key, at: nowMilliseconds) }
}

/// Carries a command out on the keys that it has named, and answers. It may be called
/// again with the same keys and the same time, and must then do and answer the same.
package typealias CommandFunction = @Sendable (CommandContext, CommandArguments) -> Reply
