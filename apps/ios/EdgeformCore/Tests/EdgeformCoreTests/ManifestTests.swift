import Foundation
import XCTest

@testable import EdgeformCore

private struct Damaged: Decodable {
  let field: String?
  let manifest: String
}

final class ManifestTests: XCTestCase {
  private func changed(_ from: String, _ to: String) throws -> Data {
    let text = String(decoding: try Golden.data("artifact/manifest.json"), as: UTF8.self)
    XCTAssertTrue(text.contains(from), from)
    return Data(text.replacingOccurrences(of: from, with: to).utf8)
  }

  func testReadsWhatTheBuildWrote() throws {
    let manifest = try Manifest(parsing: Golden.data("artifact/manifest.json"))
    XCTAssertEqual(manifest.target, "xnnpack")
    XCTAssertEqual(manifest.input.shape, [1, 3, 64, 64])
    XCTAssertEqual(
      manifest.input.resize,
      Resize(size: 64, interpolation: .bilinear, height: 64, width: 64, mode: .crop))
    XCTAssertEqual(
      manifest.output,
      .logits(LogitsContract(name: "logits", kind: .logits, batch: 1, classes: 10, heads: 1)))
    XCTAssertEqual(manifest.output.names, ["logits"])
    XCTAssertEqual(manifest.output.elements, 10)
    XCTAssertNil(manifest.minimumDeployment)
    XCTAssertTrue(manifest.files.contains { $0.path == "model.pte" && $0.deploy })
  }

  func testTakesTensorsThatAreNoLogitsWhichDoNotClassify() throws {
    let manifest = try Manifest(parsing: Golden.data("tensors.json"))
    let tensors = [("mask", [1, 4]), ("box", [1, 2, 3]), ("score", [7])]
    XCTAssertEqual(
      manifest.output, .tensors(tensors.map { TensorContract(name: $0.0, shape: $0.1) }))
    XCTAssertEqual(manifest.output.elements, 4 + 6 + 7)
    XCTAssertEqual(manifest.output.names, ["mask", "box", "score"])
    XCTAssertEqual(manifest.passMark, PassMark(sqnrDB: 40, top1: nil))
    XCTAssertTrue(refusal { _ = try manifest.logits() }.contains("does not classify"))
  }

  func testIgnoresUnknownFieldsAndNewerMinorVersions() throws {
    let newer = try changed(
      "\"schema_version\": \"1.0\"", "\"new\": [], \"schema_version\": \"1.9\"")
    XCTAssertNoThrow(try Manifest(parsing: newer))
  }

  func testRefusesNewerMajorVersionsAndVersionsThatAreNone() throws {
    for (version, word) in [
      ("2.0", "Update the app"), ("", "damaged"), ("1", "damaged"), ("one.two", "damaged"),
      ("-1.0", "damaged"), ("99999999999.0", "damaged"), ("1.0.0", "damaged"),
    ] {
      let text = try changed("\"schema_version\": \"1.0\"", "\"schema_version\": \"\(version)\"")
      let said = refusal { _ = try Manifest(parsing: text) }
      XCTAssertTrue(said.contains(word), "\(version): \(said)")
    }
  }

  func testRefusesWhatIsNoSingleObject() {
    let nested = String(repeating: "{\"a\":", count: 100_000)
    for text in ["", "[]", "null", "{", "{} x", nested, String(repeating: "[", count: 100_000)] {
      let said = refusal { _ = try Manifest(parsing: Data(text.utf8)) }
      XCTAssertTrue(said.contains("damaged"), said)
    }
  }

  func testNamesTheFieldThatIsWrong() throws {
    let cases: [Damaged] = try Golden.list("wrong_fields")
    XCTAssertGreaterThan(cases.count, 200)
    for damaged in cases {
      let said = refusal { _ = try Manifest(parsing: Data(damaged.manifest.utf8)) }
      XCTAssertTrue(said.contains("damaged"), said)
      XCTAssertTrue(said.contains(damaged.field ?? "a field"), "\(damaged.field ?? ""): \(said)")
    }
  }

  func testMutatedManifestsEndInAManifestOrAClearRefusal() throws {
    let cases: [Damaged] = try Golden.list("mutated")
    XCTAssertGreaterThanOrEqual(cases.count, 240)
    let said = cases.map { damaged in
      refusal { _ = try Manifest(parsing: Data(damaged.manifest.utf8)) }
    }
    XCTAssertFalse(said.contains { $0.hasPrefix("no Problem") })
    XCTAssertGreaterThan(said.filter { $0.contains("damaged") }.count, cases.count / 4)
  }
}
