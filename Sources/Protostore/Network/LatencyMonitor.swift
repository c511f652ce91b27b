/// Events that took longer than `latency-monitor-threshold`, by the event's name; shared by
/// all loops. As in Redis, the last 160 of each, one a second at most: the longest of it.
///
/// Written for slow events only, so a lock does.
package final class LatencyMonitor: Sendable {
    package struct Sample: Sendable, Equatable {
        /// Since 1970.
        package var seconds: UInt64
        package var milliseconds: UInt64
    }

    package struct Series: Sendable {
        package let event: String
        /// The oldest first; never empty.
        package fileprivate(set) var samples: [Sample]
        package fileprivate(set) var millisecondsMax: UInt64
    }

    static let samplesMax = 160
    /// Events are named in the source; should names ever come from elsewhere, memory stays bounded.
    private static let eventsMax = 64

    private let series = Locked<[Series]>([])

    package init() {}

    /// - Parameter event: such as `command`, and `fast-command` of those that Redis calls fast.
    package func note(_ event: String, milliseconds: UInt64, seconds: UInt64 = Clock.wallMilliseconds() / 1000) {
        let sample = Sample(seconds: seconds, milliseconds: milliseconds)
        series.withLock { all in
            guard let place = all.firstIndex(where: { $0.event == event }) else {
                guard all.count < Self.eventsMax else { return }
                all.append(Series(event: event, samples: [sample], millisecondsMax: milliseconds))
                return
            }
            all[place].millisecondsMax = max(all[place].millisecondsMax, milliseconds)
            let last = all[place].samples.count - 1
            if all[place].samples[last].seconds == seconds {
                all[place].samples[last].milliseconds = max(all[place].samples[last].milliseconds, milliseconds)
            } else {
                if last + 1 == Self.samplesMax { all[place].samples.removeFirst() }
                all[place].samples.append(sample)
            }
        }
    }

    /// Of all events that ever took long, in the order in which they first did.
    package var all: [Series] { series.withLock { $0 } }

    /// Forgets these events, or all.
    /// - Returns: how many were forgotten.
    package func reset(_ events: [String]? = nil) -> Int {
        series.withLock { all in
            let before = all.count
            if let events { all.removeAll { events.contains($0.event) } } else { all.removeAll() }
            return before - all.count
        }
    }
}
