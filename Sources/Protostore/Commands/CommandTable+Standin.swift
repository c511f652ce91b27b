/// Until the bits are there.
extension CommandTable {
    package static let bits: [CommandSpec] = []
}
