/// What all front ends of a server share, and whom they ask.
final class FrontEndServices: Sendable {
    let settings: RuntimeSettings
    /// Which namespace each database has.
    let databases: NamespaceMap
    /// Carries out what is about the whole server; nil where there is none.
    let desk: ServerDesk?
    let monitors = MonitorFeed()
    /// How many keys a database has, by its namespace.
    let keyCount: @Sendable (_ namespace: UInt32) -> Int

    init(
        settings: RuntimeSettings = RuntimeSettings(), databases: NamespaceMap = NamespaceMap(),
        desk: ServerDesk? = nil, keyCount: @escaping @Sendable (UInt32) -> Int = { _ in 0 }
    ) {
        self.settings = settings
        self.databases = databases
        self.desk = desk
        self.keyCount = keyCount
    }
}
