import EdgeformCore
import Foundation
import XCTest

@testable import App

/// The app's own adapter, on the C++ runtime of the executorch wheel.
final class ExecuTorchTests: XCTestCase {
  func testEveryArtifactGivesWhatItGaveWhereItWasBuilt() throws {
    let folders = try Given.artifacts()
    XCTAssertGreaterThanOrEqual(folders.count, 3)
    for folder in folders {
      let artifact = try Artifact(folder: folder)
      let (classifier, manifest) = (try ExecuTorchClassifier(artifact), artifact.manifest)
      let samples = 0..<manifest.goldenSamples
      let actual = try samples.map { try classifier.run(artifact.goldenInput($0)) }
      let heads = try compare(
        expected: samples.map(artifact.expectedLogits), actual: actual, manifest.output)
      XCTAssertEqual(heads.count, manifest.output.names.count)
      for head in heads {
        XCTAssertGreaterThanOrEqual(head.sqnrDB, 100, manifest.name)
        XCTAssertEqual(head.classes?.top1 ?? 1, 1)
        XCTAssertTrue(head.passes(manifest.passMark))
      }
      let swapped = try compare(
        expected: samples.map(artifact.expectedLogits), actual: actual.reversed(), manifest.output)
      XCTAssertLessThan(swapped[0].sqnrDB, 10, "it cannot tell images apart")
    }
  }

  func testDamagedFilesAreRefused() throws {
    let folder = try XCTUnwrap(Given.artifacts().first)
    let artifact = try Artifact(folder: folder)
    let whole = try Data(contentsOf: artifact.model)
    for damage in [
      Data(), Data("no program".utf8), whole.prefix(whole.count / 2), whole.prefix(64),
    ] {
      let copy = try Given.copy(folder, self)
      let opened = try Artifact(folder: copy)  // and damaged after its digest was checked
      try damage.write(to: opened.model)
      XCTAssertThrowsError(try ExecuTorchClassifier(opened)) { error in
        let problem = Problem(error)
        XCTAssertTrue(
          problem.what.contains("ExecuTorch refused \(opened.manifest.name)"), "\(error)")
        XCTAssertTrue(problem.remedy.contains("Build the artifact again"), "\(error)")
      }
    }
  }

  func testAnInputOfAnotherSizeIsRefused() throws {
    let artifact = try Artifact(folder: XCTUnwrap(Given.artifacts().first))
    let classifier = try ExecuTorchClassifier(artifact)
    XCTAssertThrowsError(try classifier.run([1, 2, 3])) { error in
      XCTAssertEqual(Problem(error).what, "The input has 3 numbers, not 12288.")
    }
  }
}
