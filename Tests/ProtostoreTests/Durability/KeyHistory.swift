@testable import Protostore

/// What a key may hold, by what one client sent and was told.
///
/// A client sends the versions of a key in order, on one connection at a time, so they
/// take effect in order. Version 0 is the missing key.
///
/// ```
/// sent(v)           v may be there, too
/// acknowledged(v)   v or a later one is there
/// shown(body)       by a read of this life: what it shows is there, or something later
/// survived(body)    by a read after a restart: this is there and no other; what was
///                   sent later and is gone must never come back
/// ```
struct KeyHistory {
    /// In order; the first is the last that is certain, unless a read could not tell several apart.
    private(set) var candidates: [UInt32] = [0]
    private(set) var lastSent: UInt32 = 0
    /// What there was when this life began, and the last version that was sent before.
    private var survivors: [UInt32] = [0]
    private var lastSentBefore: UInt32 = 0

    /// What a read that is sent now shows, or something later.
    var latest: UInt32 { candidates.last ?? 0 }
    /// What is there, or something later, also where writes are refused.
    var certain: UInt32 { candidates.first ?? 0 }

    mutating func send() -> UInt32 {
        lastSent += 1
        candidates.append(lastSent)
        return lastSent
    }

    mutating func acknowledge(_ version: UInt32) {
        candidates.removeAll { $0 < version }
    }

    /// Takes what a read has shown.
    /// - Parameters:
    ///   - since: `latest` when the read was sent. Later versions may have been acknowledged
    ///     meanwhile: the read came before them.
    ///   - isShownBy: whether a version has the bytes that came.
    /// - Returns: whether it may be so.
    mutating func show(since: UInt32, _ isShownBy: (UInt32) -> Bool) -> Bool {
        let versions = survivors + Array((lastSentBefore + 1)..<(lastSent + 1))
        guard let oldest = versions.first(where: { $0 >= since && isShownBy($0) }) else { return false }
        candidates.removeAll { $0 < oldest }
        return true
    }

    /// Takes what is there after a restart.
    mutating func survive(_ isShownBy: (UInt32) -> Bool) -> Bool {
        survivors = candidates.filter(isShownBy)
        guard !survivors.isEmpty else { return false }
        candidates = survivors
        lastSentBefore = lastSent
        return true
    }
}

/// The bytes of keys and values, by client, key and version.
enum WrittenBytes {
    private static let pool = [UInt8].random(count: 2 * NativeProtocol.bodyBytesMax, seed: 99)

    /// 16 bytes.
    static func key(_ client: Int, _ number: Int) -> [UInt8] {
        words(UInt64(client), UInt64(number)).prefix(16) + []
    }

    /// Nothing for the missing key; 0 to 65,535 bytes, of which most are few.
    static func value(_ client: Int, _ number: Int, _ version: UInt32) -> [UInt8] {
        guard version > 0 else { return [] }
        var random = SplitMix64(seed: UInt64(client) << 48 ^ UInt64(number) << 24 ^ UInt64(version))
        let byteCount: Int
        switch random.next() % 16 {
        case 0: byteCount = Int(random.next() % 8)
        case 1: byteCount = [0, 65_535, 4096, 4095][Int(random.next() % 4)]
        case 2: byteCount = Int(random.next() % 65_536)
        default: byteCount = Int(random.next() % 1200)
        }
        let start = Int(random.next() % UInt64(NativeProtocol.bodyBytesMax))
        let stamp = words(UInt64(client) << 32 | UInt64(number), UInt64(version))
        return Array((stamp + pool[start..<(start + byteCount)]).prefix(byteCount))
    }

    private static func words(_ first: UInt64, _ second: UInt64) -> [UInt8] {
        withUnsafeBytes(of: (first.bigEndian, second.bigEndian)) { [UInt8]($0) }
    }
}
