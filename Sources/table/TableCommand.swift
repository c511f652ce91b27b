@main struct TableCommand {
    static func main() throws { try Probe.run() }
}
