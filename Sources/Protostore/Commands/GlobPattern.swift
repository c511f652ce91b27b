/// A pattern of KEYS, SCAN, CONFIG GET and COMMAND LIST.
///
/// ```
/// *       any bytes, or none
/// ?       any byte
/// [ab-d]  one of these bytes; [^ab-d] none of these
/// \x      x itself
/// ```
///
/// Everything but a star stands for one byte. So where what follows a star does not fit, only
/// the last star needs to take more: the time is pattern bytes times text bytes at most, whatever
/// the number of stars, and nothing recurses.
///
/// As in Redis, a pattern that is not empty matches no empty text, not even `*`: see ``unlessAll(_:)``.
package struct GlobPattern {
    private let bytes: [UInt8]
    private let ignoresCase: Bool

    package init(_ bytes: some Collection<UInt8>, ignoresCase: Bool = false) {
        self.bytes = Array(bytes)
        self.ignoresCase = ignoresCase
    }

    /// The pattern; nil where it is a lone star, which KEYS and SCAN take as no pattern.
    package static func unlessAll(_ bytes: UnsafeRawBufferPointer) -> GlobPattern? {
        bytes.elementsEqual([UInt8(ascii: "*")]) ? nil : GlobPattern(bytes)
    }

    package func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        bytes.withUnsafeBytes { Matching(pattern: $0, text: text, ignoresCase: ignoresCase).isMatch() }
    }

    package func matches(_ text: [UInt8]) -> Bool { text.withUnsafeBytes { matches($0) } }

    private struct Matching {
        let pattern: UnsafeRawBufferPointer
        let text: UnsafeRawBufferPointer
        let ignoresCase: Bool

        func isMatch() -> Bool {
            var (place, position) = (0, 0)
            /// Behind the last star, and the text's bytes that it takes.
            var afterStar: (place: Int, position: Int)?
            while position < text.count {
                if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                    place = behindStars(place)
                    if place == pattern.count { return true }
                    afterStar = (place, position)
                } else if place < pattern.count, let next = step(place, text[position]) {
                    place = next
                    position += 1
                } else if let star = afterStar {
                    afterStar = (star.place, star.position + 1)
                    (place, position) = (star.place, star.position + 1)
                } else {
                    return false
                }
            }
            guard position > 0 else { return pattern.isEmpty }
            // Stars that are left match nothing; but not those behind a star that has
            // taken all of the text, where something else had to follow.
            return behindStars(place) == pattern.count
        }

        private func behindStars(_ place: Int) -> Int {
            var place = place
            while place < pattern.count, pattern[place] == UInt8(ascii: "*") { place += 1 }
            return place
        }

        /// The place behind the part that stands for one byte; nil where it does not stand for this one.
        private func step(_ place: Int, _ byte: UInt8) -> Int? {
            switch pattern[place] {
            case UInt8(ascii: "?"): return place + 1
            case UInt8(ascii: "["): return stepOverClass(place + 1, byte)
            case UInt8(ascii: "\\") where place + 1 < pattern.count:
                return folded(pattern[place + 1]) == folded(byte) ? place + 2 : nil
            default: return folded(pattern[place]) == folded(byte) ? place + 1 : nil
            }
        }

        private func stepOverClass(_ start: Int, _ byte: UInt8) -> Int? {
            var place = start
            let isInverted = place < pattern.count && pattern[place] == UInt8(ascii: "^")
            if isInverted { place += 1 }
            var isMember = false
            while place < pattern.count, pattern[place] != UInt8(ascii: "]") {
                if pattern[place] == UInt8(ascii: "\\"), place + 1 < pattern.count {
                    // Without regard to case in no pattern: so does Redis.
                    if pattern[place + 1] == byte { isMember = true }
                    place += 2
                } else if place + 2 < pattern.count, pattern[place + 1] == UInt8(ascii: "-") {
                    if isBetween(pattern[place], pattern[place + 2], byte) { isMember = true }
                    place += 3
                } else {
                    if folded(pattern[place]) == folded(byte) { isMember = true }
                    place += 1
                }
            }
            // A class that does not end, ends with the pattern.
            return isMember != isInverted ? min(place + 1, pattern.count) : nil
        }

        /// Bytes from 128 on are below zero, as C's are on most machines.
        private func isBetween(_ first: UInt8, _ last: UInt8, _ byte: UInt8) -> Bool {
            let (low, high) = first.asSigned <= last.asSigned ? (first, last) : (last, first)
            let (start, end, own) = (folded(low).asSigned, folded(high).asSigned, folded(byte).asSigned)
            return own >= start && own <= end
        }

        private func folded(_ byte: UInt8) -> UInt8 {
            ignoresCase && byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
        }
    }
}

extension UInt8 {
    fileprivate var asSigned: Int8 { Int8(bitPattern: self) }
}
