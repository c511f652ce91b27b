// swift-tools-version: 6.2
import PackageDescription

// A program of somebody else: it takes the table from this repository, and nothing of the server. With a released
// version the dependency would be `.package(url:from:)`.
let package = Package(
    name: "visits",
    dependencies: [.package(name: "protostore", path: "../..")],
    targets: [
        .executableTarget(name: "visits", dependencies: [.product(name: "SharedTable", package: "protostore")])
    ],
    swiftLanguageModes: [.v6]
)
