import Glibc

extension Clock {
    /// A time for people, in UTC: "2026-11-21 11:06:45 UTC".
    /// - Parameter wallMilliseconds: milliseconds since 1970.
    package static func text(wallMilliseconds: UInt64) -> String {
        // Beyond the calendar's years it is no time that anybody meant.
        guard var seconds = time_t(exactly: wallMilliseconds / 1000), seconds < 253_402_300_800 else {
            return "at an unknown time"
        }
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "at an unknown time" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
            guard let start = text.baseAddress, strftime(start, text.count, "%Y-%m-%d %H:%M:%S UTC", &parts) > 0 else {
                return "at an unknown time"
            }
            return String(cString: start)
        }
    }
}
