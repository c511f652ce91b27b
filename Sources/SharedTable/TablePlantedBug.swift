/// Mutations of the table that `table histories` has to find: a search that catches nothing proves nothing.
///
/// Each stands at the one condition that it changes. In an ordinary build ``isPlanted(_:)`` is the constant
/// false, and nothing of them is left; a build with `-Xswiftc -DPLANTED_BUGS` can choose one.
package enum TablePlantedBug: String, CaseIterable, Sendable {
    /// A reader does not look whether its stripe changed meanwhile.
    case readOnce
    /// Changes leave the version as it is: readers cannot know.
    case keepVersion
    /// A put of a short key unlocks before it puts.
    case unlockBeforePut
    /// A swap compares before it takes the lock.
    case compareBeforeLock
    /// A put if absent looks before it takes the lock.
    case lookBeforeLock

    #if PLANTED_BUGS
    // Sendable because it is chosen before the process uses a table, from the thread that does.
    nonisolated(unsafe) private static var chosen: TablePlantedBug?

    package static let canBePlanted = true

    package static func plant(_ bug: TablePlantedBug?) {
        chosen = bug
    }

    @inline(__always)
    static func isPlanted(_ bug: TablePlantedBug) -> Bool { chosen == bug }
    #else
    package static let canBePlanted = false

    package static func plant(_ bug: TablePlantedBug?) {}

    @inline(__always)
    static func isPlanted(_ bug: TablePlantedBug) -> Bool { false }
    #endif
}
