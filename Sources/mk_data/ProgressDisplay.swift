import Protostore

/// How far the build is: a bar that draws over itself on a terminal, a line
/// every second elsewhere.
struct ProgressDisplay {
    private static let barWidth = 30
    private static let lineNanoseconds: UInt64 = 1_000_000_000

    private let isTerminal: Bool
    private let started = Clock.monotonicNanoseconds()
    private var lastLine = Clock.monotonicNanoseconds()
    private var isLineOpen = false

    init(isTerminal: Bool) {
        self.isTerminal = isTerminal
    }

    mutating func show(_ progress: StoreBuilder.Progress) {
        let now = Clock.monotonicNanoseconds()
        let text = Self.text(progress, seconds: Double(now - started) / 1e9)
        if isTerminal {
            // Back to the line's start; clear what the line before had more.
            StandardError.write("\r\(Self.bar(progress)) \(text)\u{1B}[K")
            isLineOpen = true
        } else if now - lastLine >= Self.lineNanoseconds {
            StandardError.write("\(text)\n")
            lastLine = now
        }
    }

    /// Leaves the bar's line.
    mutating func end() {
        if isLineOpen { StandardError.write("\n") }
        isLineOpen = false
    }

    private static func bar(_ progress: StoreBuilder.Progress) -> String {
        let full = barWidth * progress.bytes / progress.byteCount
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: barWidth - full) + "]"
    }

    static func text(_ progress: StoreBuilder.Progress, seconds: Double) -> String {
        if progress.isVerifying { return "verified \(progress.keys) of \(progress.keyCount) entries" }
        let percent = 100 * progress.bytes / progress.byteCount
        let rate = Double(progress.bytes) / max(seconds, 0.001)
        let done = "\(percent) %  \(progress.keys) keys  \(decimal(rate / 1e6)) MB/s"
        guard progress.bytes > 0 else { return done }
        let left = Double(progress.byteCount - progress.bytes) / rate
        return "\(done)  \(decimal(left)) s left"
    }
}

/// A number with that many digits after the point, rounded; for numbers of at least 0.
func decimal(_ value: Double, places: Int = 1) -> String {
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((value * Double(scale)).rounded())
    let fraction = String(scaled % scale)
    return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
}
