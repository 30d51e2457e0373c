// swift-tools-version: 6.0
import PackageDescription

let package = Package(
  name: "EdgeformCore",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [.library(name: "EdgeformCore", targets: ["EdgeformCore"])],
  targets: [
    .target(name: "EdgeformCore"),
    .testTarget(name: "EdgeformCoreTests", dependencies: ["EdgeformCore"]),
  ],
  swiftLanguageModes: [.v6]
)
