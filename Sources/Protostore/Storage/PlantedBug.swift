/// Mutations of the engine that the crash simulator has to find: a simulator that
/// catches nothing proves nothing.
///
/// Each stands at the one condition that it changes. In an ordinary build
/// ``isPlanted(_:)`` is the constant false, and nothing of them is left; a build with
/// `-Xswiftc -DPLANTED_BUGS` can choose one.
package enum PlantedBug: String, CaseIterable, Sendable {
    /// Commits are written without the flush that their replies promise.
    case acknowledgeBeforeFlush
    /// A flush that failed is tried again, and believed then.
    case retryFailedFlush
    /// A shard acknowledges although another one's write has failed.
    case acknowledgeAfterFailure
    /// Slots point to records that are still on their way.
    case setSlotBeforeWrite
    /// A get does not see what is written and not yet durable.
    case getMissesPending
    /// Whatever record a slot points to is taken for the key's.
    case skipKeyVerification
    /// A delete may leave a slot whose record could not be read.
    case deleteLeavesUnreadable
    /// Summaries leave deletes out.
    case dropTombstone
    /// A commit begins in the last block of the one before.
    case reuseAcknowledgedBlock
    /// Segments are sealed before their commits are on stable storage.
    case sealBeforeFlush
    /// Places do not count in checksums: displaced blocks are valid.
    case forgetPlaceInChecksum
    /// The last commit is believed though not all of its records are whole.
    case believeTornCommit
    /// A log ends before the first damage, whatever comes behind.
    case cutOffBehindRot
    /// Of a key's records the one that is read last counts.
    case olderRecordWins
    /// Sequence numbers begin anew at each opening.
    case restartSequence
    /// The open counter is not raised.
    case keepOpenCounter
    /// The index says that the commit on its way is in it.
    case claimCommitInFlight
    /// The index says that a group is in it when only its commit is done.
    case forgetUnsettledGroups
    /// Segments are freed before the copies of their records count.
    case freeBeforeCopiesCount
    /// A segment is handed to a log before the map says so.
    case useBeforeMarked
    /// Copies get sequence numbers of their own.
    case renumberCopies
    /// A record is copied although a write of its key is under way.
    case copyUnapplied
    /// A segment is freed while a read in it is under way.
    case freeWhileRead
    /// A delete is dropped while an older record of its key is there.
    case dropNeededTombstone
    /// A record that has expired is dropped, whatever it hides.
    case dropExpired
    /// A shard ends commits while a backup's barrier stands.
    case passBarrier
    /// Segments are freed while a backup copies them.
    case freeDuringBackup
    /// A scan that ends within a region does not take its slots in order.
    case scanUnsorted
    /// Of slots with one position a scan takes the first.
    case scanTakesOneOfTwins
    /// A segment is freed while a scan waits to read in it.
    case freeBeforeScanned
    /// A hold for reading keeps nobody from the key.
    case readingHoldKeepsNobody
    /// Readers see other namespaces before these are on stable storage.
    case publishBeforeDurable
    /// A database that is emptied may get a namespace that another one had.
    case reuseNamespace
    /// A rebuilt index has the keys of dead namespaces.
    case resurrectNamespace
    /// Writes to dead namespaces that were under way set slots.
    case keepDeadWrites
    /// What compaction is copying of a dead namespace keeps its slots.
    case moveDeadSlots

    /// Hardly any history shows it: one of some 10,000. The write has the higher sequence number wherever
    /// it and the copy are read.
    package var isHardlySeen: Bool { self == .copyUnapplied }

    #if PLANTED_BUGS
    // Sendable because it is chosen before any thread starts that may look at it.
    nonisolated(unsafe) private static var chosen: PlantedBug?

    package static let canBePlanted = true

    package static func plant(_ bug: PlantedBug?) {
        chosen = bug
    }

    @inline(__always)
    static func isPlanted(_ bug: PlantedBug) -> Bool { chosen == bug }
    #else
    package static let canBePlanted = false

    package static func plant(_ bug: PlantedBug?) {}

    @inline(__always)
    static func isPlanted(_ bug: PlantedBug) -> Bool { false }
    #endif
}
