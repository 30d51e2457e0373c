import EdgeformCore
import Foundation
import XCTest

@testable import App

/// Cmd-U on a phone or simulator: every artifact in the app gives there what it gave where it was
/// built.
final class GoldenTests: XCTestCase {
  func testEveryArtifactPassesItsSelfTest() async throws {
    let store = ArtifactStore([Bundle.main.bundleURL.appendingPathComponent("artifacts")])
    XCTAssertFalse(store.names().isEmpty)
    for name in store.names() {
      let artifact = try store.open(name)
      let classifier = try await ModelLoader().load(artifact, .all)
      let samples = 0..<artifact.manifest.goldenSamples
      let heads = try compare(
        expected: samples.map(artifact.expectedLogits),
        actual: samples.map { try classifier.run(artifact.goldenInput($0)) },
        artifact.manifest.output)
      for head in heads {
        XCTAssertTrue(head.passes(artifact.manifest.passMark), "\(name): \(head)")
      }
    }
  }
}
