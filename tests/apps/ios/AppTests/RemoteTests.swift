import EdgeformCore
import Foundation
import XCTest

@testable import App

/// What the app does when edgeform launches it, with the real runtime.
final class RemoteTests: XCTestCase {
  private func documents(_ run: String) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    let runs = folder.appendingPathComponent("runs/\(run)")
    try FileManager.default.createDirectory(at: runs, withIntermediateDirectories: true)
    addTeardownBlock { try FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(
      at: XCTUnwrap(Given.artifacts().first), to: runs.appendingPathComponent("artifact"))
    return folder
  }

  private func answered(_ documents: URL, _ variables: [String: String]) async throws -> [String:
    String]
  {
    let environment = variables.merging(["EDGEFORM_RUN": "r1"]) { $1 }
    let request = try XCTUnwrap(RemoteRequest(environment))
    let services = Services(
      store: ArtifactStore([]), loader: ModelLoader(), decoder: PhotoDecoder(), phone: ThisPhone())
    try await RemoteRuns(documents: documents, services).answer(request)
    let done = documents.appendingPathComponent("results/r1/done.json")
    return try JSONDecoder().decode([String: String].self, from: Data(contentsOf: done))
  }

  func testItExecutesInputs() async throws {
    let documents = try documents("r1")
    let run = documents.appendingPathComponent("runs/r1")
    let artifact = try Artifact(folder: run.appendingPathComponent("artifact"))
    for sample in 0..<2 {
      try writeFloats(artifact.goldenInput(sample)).write(
        to: run.appendingPathComponent("input_\(sample).f32"))
    }
    let request = ["EDGEFORM_JOB": "execute", "EDGEFORM_SAMPLES": "2"]
    let said = try await answered(documents, request)
    XCTAssertEqual(said, [:])
    let results = documents.appendingPathComponent("results/r1")
    let logits = try (0..<2).map {
      readFloats(try Data(contentsOf: results.appendingPathComponent("logits_\($0).f32")))
    }
    let heads = try compare(
      expected: (0..<2).map(artifact.expectedLogits), actual: logits, artifact.manifest.output)
    XCTAssertGreaterThan(heads[0].sqnrDB, 100)
    let progress = try String(
      contentsOf: results.appendingPathComponent("progress"), encoding: .utf8)
    XCTAssertEqual(progress, "2/2\n")
    try Data([1, 2]).write(to: run.appendingPathComponent("input_1.f32"))
    let refused = try await answered(documents, request)
    XCTAssertEqual(refused["what"], "Input 1 has another size than the model's.")
  }

  func testItMeasures() async throws {
    let documents = try documents("r1")
    let said = try await answered(
      documents,
      ["EDGEFORM_JOB": "measure", "EDGEFORM_WARMUP": "1", "EDGEFORM_ITERATIONS": "3"])
    XCTAssertEqual(said, [:])
    let written = try Given.folder("EDGEFORM_WRITTEN")
    let report = try Data(
      contentsOf: documents.appendingPathComponent("results/r1/report.json"))
    try report.write(to: written.appendingPathComponent("remote.json"))  // Python reads it
  }

  func testADamagedArtifactIsAnswered() async throws {
    let documents = try documents("r1")
    try Data().write(to: documents.appendingPathComponent("runs/r1/artifact/model.pte"))
    let said = try await answered(
      documents, ["EDGEFORM_JOB": "execute", "EDGEFORM_SAMPLES": "1"])
    XCTAssertTrue(said["what"]?.contains("its digest differs") == true, "\(said)")
  }

  func testARequestOfAnotherVersionIsRefused() throws {
    XCTAssertNil(try RemoteRequest([:]))
    for variables in [
      ["EDGEFORM_RUN": "../x", "EDGEFORM_JOB": "execute", "EDGEFORM_SAMPLES": "1"],
      ["EDGEFORM_RUN": "r1"], ["EDGEFORM_RUN": "r1", "EDGEFORM_JOB": "execute"],
      ["EDGEFORM_RUN": "r1", "EDGEFORM_JOB": "execute", "EDGEFORM_SAMPLES": "-1"],
      [
        "EDGEFORM_RUN": "r1", "EDGEFORM_JOB": "measure", "EDGEFORM_UNITS": "tpu",
        "EDGEFORM_WARMUP": "1", "EDGEFORM_ITERATIONS": "1",
      ],
    ] {
      XCTAssertThrowsError(try RemoteRequest(variables)) { error in
        XCTAssertTrue("\(error)".contains("same version of edgeform"), "\(error)")
      }
    }
  }
}
