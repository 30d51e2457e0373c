import Foundation
import XCTest

@testable import EdgeformCore

final class ArtifactTests: XCTestCase {
  private let files = FileManager.default

  private func rewrite(_ folder: URL, _ change: (inout [String: Any]) -> Void) throws {
    let file = folder.appendingPathComponent("manifest.json")
    let content = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
    var manifest = try XCTUnwrap(content as? [String: Any])
    change(&manifest)
    try JSONSerialization.data(withJSONObject: manifest).write(to: file)
  }

  private func rename(_ folder: URL, _ from: String, _ to: String) throws {
    try rewrite(folder) { manifest in
      guard var entries = manifest["files"] as? [[String: Any]] else { return }
      for index in entries.indices where entries[index]["path"] as? String == from {
        entries[index]["path"] = to
      }
      manifest["files"] = entries
    }
  }

  func testOpensWhatTheBuildWrote() throws {
    let artifact = try Artifact(folder: Golden.artifact)
    XCTAssertEqual(artifact.model.lastPathComponent, "model.pte")
    XCTAssertEqual(artifact.modelSHA256.count, 64)
    XCTAssertEqual(artifact.labels, (0..<10).map(String.init))
    XCTAssertEqual(artifact.label(12), "class 12")
    XCTAssertEqual(try artifact.goldenInput(0).count, 3 * 64 * 64)
    XCTAssertEqual(try artifact.expectedLogits(0).count, 10)
    XCTAssertFalse(try artifact.goldenImage().isEmpty)
  }

  func testNeedsOnlyWhatIsDeployed() throws {
    let folder = try Golden.copy(self)
    for path in ["golden", "evidence", "parity.json"] {
      try files.removeItem(at: folder.appendingPathComponent(path))
    }
    let artifact = try Artifact(folder: folder)
    XCTAssertTrue(refusal { _ = try artifact.goldenInput(0) }.contains("input_0.f32 is missing"))
    XCTAssertTrue(refusal { _ = try artifact.goldenImage() }.contains("image_0.png is missing"))
  }

  func testOneChangedBitOfTheModelIsSeen() throws {
    let folder = try Golden.copy(self)
    let model = folder.appendingPathComponent("model.pte")
    var bytes = try Data(contentsOf: model)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: model)
    XCTAssertTrue(refusal { _ = try Artifact(folder: folder) }.contains("its digest differs"))
    try bytes.prefix(100).write(to: model)
    XCTAssertTrue(refusal { _ = try Artifact(folder: folder) }.contains("its digest differs"))
    try files.removeItem(at: model)
    XCTAssertTrue(refusal { _ = try Artifact(folder: folder) }.contains("model.pte is missing"))
    try files.removeItem(at: folder.appendingPathComponent("manifest.json"))
    XCTAssertTrue(refusal { _ = try Artifact(folder: folder) }.contains("no manifest.json"))
  }

  func testPathsThatLeadOutsideAreRefused() throws {
    for path in [
      "../model.pte", "/etc/hostname", "golden/../../model.pte", "./model.pte", "golden//x", "",
      "..\\model.pte", "model\0.pte", "..",
    ] {
      let folder = try Golden.copy(self)
      let outside = folder.deletingLastPathComponent().appendingPathComponent("model.pte")
      try files.copyItem(at: folder.appendingPathComponent("model.pte"), to: outside)
      try rename(folder, "model.pte", path)
      let said = refusal { _ = try Artifact(folder: folder) }
      XCTAssertTrue(said.contains("leads out of the artifact"), "\(path): \(said)")
    }
  }

  func testLinksThatLeadOutsideAreRefused() throws {
    for (name, outside) in [
      ("model.pte", "model.pte"), ("model.pte", "artifact2"), ("golden", "g"),
    ] {
      let folder = try Golden.copy(self)
      let target = folder.deletingLastPathComponent().appendingPathComponent(outside)
      let link = folder.appendingPathComponent(name)
      try files.moveItem(at: link, to: target)
      try files.createSymbolicLink(at: link, withDestinationURL: target)
      let said = refusal { _ = try Artifact(folder: folder) }
      XCTAssertTrue(said.contains("leads out of the artifact"), "\(name): \(said)")
    }
  }

  func testOtherTargetsMissingModelsAndWrongLabelsAreRefused() throws {
    let folder = try Golden.copy(self)
    try rewrite(folder) { $0["target"] = ["name": "vulkan"] }
    XCTAssertTrue(refusal { _ = try Artifact(folder: folder) }.contains("which is not iOS's"))
    try rewrite(folder) { $0["target"] = ["name": "coreml"] }
    XCTAssertTrue(refusal { _ = try Artifact(folder: folder) }.contains("deploys no .mlpackage"))
    try rewrite(folder) {
      $0["target"] = ["name": "xnnpack"]
      $0["output"] = [
        "name": "logits", "kind": "logits", "heads": "mean", "shape": [1, 11],
      ]
    }
    XCTAssertTrue(refusal { _ = try Artifact(folder: folder) }.contains("10 lines for 11 classes"))
  }

  func testAModelForANewerSystemIsRefused() throws {
    let folder = try Golden.copy(self)
    try rewrite(folder) {
      $0["target"] = ["name": "xnnpack", "options": ["minimum-deployment": "iOS18"]]
    }
    func open(_ major: Int) throws {
      let system = OperatingSystemVersion(majorVersion: major, minorVersion: 6, patchVersion: 1)
      _ = try Artifact(folder: folder, system: system)
    }
    XCTAssertTrue(refusal { try open(17) }.contains("needs iOS 18; this device has iOS 17"))
    XCTAssertNoThrow(try open(18))
    XCTAssertNoThrow(try open(26))
  }
}
