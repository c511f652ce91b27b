/// Names that CONFIG GET asks for: `*` stands for any letters, `?` for one, `[abc]`, `[^abc]` and
/// `[a-c]` for one of some, and `\` takes the next letter as it is. Letters of any case are the same.
struct SettingPattern {
    private let pattern: [UInt8]

    init(_ pattern: String) {
        // Names are short: what is longer than all of them together matches no more by being longer.
        self.pattern = Array(pattern.lowercased().utf8.prefix(1024))
    }

    /// In time that grows with the product of both lengths: only the last `*` is tried again.
    func matches(_ name: String) -> Bool {
        let name = Array(name.lowercased().utf8)
        var place = 0
        var position = 0
        var retry: (place: Int, position: Int)?
        while position < name.count {
            if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                retry = (place + 1, position)
                place += 1
            } else if let next = one(at: place, name[position]) {
                place = next
                position += 1
            } else if let (afterStar, start) = retry {
                retry = (afterStar, start + 1)
                place = afterStar
                position = start + 1
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// - Returns: the place behind what stands for one letter, if it stands for this one.
    private func one(at place: Int, _ letter: UInt8) -> Int? {
        guard place < pattern.count else { return nil }
        switch pattern[place] {
        case UInt8(ascii: "?"): return place + 1
        case UInt8(ascii: "["): return choice(at: place + 1, letter)
        case UInt8(ascii: "\\") where place + 1 < pattern.count: return pattern[place + 1] == letter ? place + 2 : nil
        default: return pattern[place] == letter ? place + 1 : nil
        }
    }

    private func choice(at start: Int, _ letter: UInt8) -> Int? {
        var place = start
        let isNegated = place < pattern.count && pattern[place] == UInt8(ascii: "^")
        if isNegated { place += 1 }
        var isFound = false
        while place < pattern.count, pattern[place] != UInt8(ascii: "]") {
            if pattern[place] == UInt8(ascii: "\\"), place + 1 < pattern.count { place += 1 }
            if place + 2 < pattern.count, pattern[place + 1] == UInt8(ascii: "-"), pattern[place + 2] != UInt8(ascii: "]") {
                let (low, high) = (min(pattern[place], pattern[place + 2]), max(pattern[place], pattern[place + 2]))
                if (low...high).contains(letter) { isFound = true }
                place += 3
            } else {
                if pattern[place] == letter { isFound = true }
                place += 1
            }
        }
        return isFound != isNegated ? min(place + 1, pattern.count) : nil
    }
}
