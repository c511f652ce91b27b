/// Damage to what is stored: in a small store every byte is changed once, every length
/// cut, every two blocks exchanged. Whatever is damaged, no key has a wrong value, and
/// no acknowledged write is cut off because something before it rotted.
extension SimulatedHistory {
    func runRot() throws {
    }
}
