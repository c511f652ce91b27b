/// Numbers of bytes as Redis reads them: `1024`, `100b`, `1k` = 1000, `1kb` = 1024, and so
/// on with m and g; in any case of letters.
enum ByteSize {
    private static let units: [(suffix: String, byteCount: Int)] = [
        ("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("k", 1000), ("m", 1_000_000), ("g", 1_000_000_000), ("b", 1),
    ]

    /// - Returns: nil for what is none, is negative, or is beyond `Int.max`.
    static func parse(_ text: some StringProtocol) -> Int? {
        let text = text.lowercased()
        let unit = units.first { text.hasSuffix($0.suffix) }
        let digits = text.dropLast(unit?.suffix.count ?? 0)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(digits)
        else { return nil }
        let (byteCount, overflows) = number.multipliedReportingOverflow(by: unit?.byteCount ?? 1)
        return overflows ? nil : byteCount
    }

    /// As INFO writes sizes for people: `1.50M`.
    static func text(_ byteCount: Int) -> String {
        let names = ["K", "M", "G", "T", "P", "E"]
        guard byteCount >= 1024 else { return "\(byteCount)B" }
        var value = Double(byteCount) / 1024
        var place = 0
        while value >= 1024, place < names.count - 1 {
            value /= 1024
            place += 1
        }
        return "\(Decimals.text(value, 2))\(names[place])"
    }
}

/// Decimal fractions with a fixed number of places, as C's `%.2f` writes them.
enum Decimals {
    /// - Parameter places: 0...9. What is no number, or far out of range, is 0.
    static func text(_ value: Double, _ places: Int) -> String {
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard scaled.isFinite, abs(scaled) < 9e18 else { return text(0, places) }
        let whole = Int(abs(scaled))
        let divisor = Int(scale)
        let sign = scaled < 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(whole)" }
        let fraction = String(whole % divisor)
        return "\(sign)\(whole / divisor).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }
}
