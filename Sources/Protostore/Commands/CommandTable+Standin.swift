/// Until the strings and bits are there.
extension CommandTable {
    package static let strings: [CommandSpec] = []
    package static let bits: [CommandSpec] = []
}
