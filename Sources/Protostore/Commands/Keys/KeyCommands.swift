/// The commands about keys, whatever they hold.
package enum KeyCommands {}

/// Stand-ins until the commands are written.
extension KeyCommands {
    private static let unwritten = Reply.error("ERR this command is not written yet")
    package static func delete(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func exists(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func type(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func timeToLive(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func timeToLiveMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func expiryTime(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func expiryTimeMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func expire(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func expireMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func expireAt(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func expireAtMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func persist(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func rename(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func renameIfNew(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func copy(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func move(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func objectEncoding(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func objectIdleTime(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func objectFrequency(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func objectReferenceCount(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func dump(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func restore(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func memoryUsage(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func debugObject(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { unwritten }
    package static func copyKeys(_ context: CommandContext, _ arguments: CommandArguments) -> [KeyName]? { nil }
    package static func moveKeys(_ context: CommandContext, _ arguments: CommandArguments) -> [KeyName]? { nil }
}
