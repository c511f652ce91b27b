/// Whose commands are spoken here.
package enum RedisVersion {
    /// Clients choose by it what they may send.
    package static let text = "7.0.15"
}
