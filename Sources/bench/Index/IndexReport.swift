import Protostore

/// What `bench index` measured, as a table and as JSON.
struct IndexReport {
    struct Row {
        var keys: Int
        var insertsPerSecond: Double
        var hitsPerSecond: Double
        var missesPerSecond: Double
        var hitsPerSecondBatched: Double
        var missesPerSecondBatched: Double
        var bytesPerKey: Double
        /// Over the interval since the row before.
        var bytesPerKeySamples: BytesPerKey
        var falseCandidatesPerLookup: Double
        var longestMicroseconds: Double
        var longestMicrosecondsSoFar: Double
        var longestWallMicroseconds: Double

        static let header = """
                         million operations per second, one core                 bytes per key       false candidates  longest insert, us
                  keys   insert      hit     miss  hit batch miss batch   now  interval   worst      per lookup        interval   so far   wall
            """

        var text: String {
            [
                pad("\(keys)", 12), millions(insertsPerSecond, 9), millions(hitsPerSecond, 9),
                millions(missesPerSecond, 9), millions(hitsPerSecondBatched, 11),
                millions(missesPerSecondBatched, 11), decimal(bytesPerKey, 2, 6),
                decimal(bytesPerKeySamples.sum / Double(bytesPerKeySamples.count), 2, 10),
                decimal(bytesPerKeySamples.max, 2, 8), decimal(falseCandidatesPerLookup, 6, 16),
                decimal(longestMicroseconds, 0, 16), decimal(longestMicrosecondsSoFar, 0, 9),
                decimal(longestWallMicroseconds, 0, 7),
            ].joined()
        }

        var json: String {
            """
            {"keys":\(keys),"inserts_per_second":\(insertsPerSecond),"hits_per_second":\(hitsPerSecond),\
            "misses_per_second":\(missesPerSecond),"hits_per_second_batched":\(hitsPerSecondBatched),\
            "misses_per_second_batched":\(missesPerSecondBatched),"bytes_per_key":\(bytesPerKey),\
            "bytes_per_key_interval":\(bytesPerKeySamples.sum / Double(bytesPerKeySamples.count)),\
            "false_candidates_per_lookup":\(falseCandidatesPerLookup),\
            "longest_insert_us":\(longestMicroseconds),"longest_insert_wall_us":\(longestWallMicroseconds)}

            """
        }
    }

    var rows: [Row] = []

    var longestMicroseconds: Double { rows.last?.longestMicrosecondsSoFar ?? 0 }

    /// The mean of bytes per key from five million keys on, where each
    /// interval counts by the keys it added.
    var summary: String {
        var sum = 0.0
        var keys = 0.0
        for (row, before) in zip(rows.dropFirst(), rows) where before.keys >= 4_000_000 {
            let added = Double(row.keys - before.keys)
            sum += added * row.bytesPerKeySamples.sum / Double(row.bytesPerKeySamples.count)
            keys += added
        }
        guard keys > 0 else { return "" }
        return "bytes per key, averaged while growing from 4 M to \(rows.last!.keys) keys: \(decimal(sum / keys, 2, 0))"
    }

    func writeJSON(to path: String) throws(SystemError) {
        let text = rows.map(\.json).joined()
        let file = try FileDescriptor.open(path, [.write, .create, .truncate], mode: 0o644)
        var bytes = Array(text.utf8)
        var failure: SystemError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(SystemError) { try file.write(UnsafeRawBufferPointer(buffer), at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

private func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

private func millions(_ value: Double, _ width: Int) -> String { decimal(value / 1e6, 2, width) }

/// `value` with `places` digits after the point, without Foundation.
private func decimal(_ value: Double, _ places: Int, _ width: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((value * scale).rounded())
    guard places > 0 else { return pad("\(scaled)", width) }
    let fraction = "\(scaled % Int(scale))"
    return pad("\(scaled / Int(scale)).\(String(repeating: "0", count: places - fraction.count))\(fraction)", width)
}
