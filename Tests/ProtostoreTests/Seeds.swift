import Foundation

/// The seeds of a random test: a few in every run, so that it repeats exactly, and
/// as many times more as PROTOSTORE_TEST_FACTOR says (`make soak`).
func seeds(_ usualCount: UInt64) -> Range<UInt64> {
    let factor = ProcessInfo.processInfo.environment["PROTOSTORE_TEST_FACTOR"].flatMap(UInt64.init) ?? 1
    return 0..<(usualCount * max(1, factor))
}
