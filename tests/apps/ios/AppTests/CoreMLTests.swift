import CoreML
import CoreVideo
import EdgeformCore
import Foundation
import XCTest

@testable import App

/// What the app gives to Core ML and takes from it, through a stand-in: nothing here runs Core ML.
final class CoreMLTests: XCTestCase {
  private let ios17 = OperatingSystemVersion(majorVersion: 17, minorVersion: 5, patchVersion: 0)

  private func artifact(_ kind: InputKind) throws -> Artifact {
    let all = try Given.packages().map { try Artifact(folder: $0, system: ios17) }
    return try XCTUnwrap(all.first { $0.manifest.input.kind == kind })
  }

  private func answering(_ values: [Float]) throws -> any MLFeatureProvider {
    let logits = MLShapedArray<Float>(scalars: values, shape: [1, values.count])
    return try MLDictionaryFeatureProvider(
      dictionary: ["logits": MLFeatureValue(shapedArray: logits)])
  }

  private func refused(_ action: () throws -> Void) -> Problem? {
    do {
      try action()
      return nil
    } catch { return Problem(error) }
  }

  func testATensorGoesInAsItIsAndLogitsComeOut() async throws {
    let artifact = try artifact(.tensor)
    let classifier = try await CoreMLClassifier(artifact, .cpuAndNeuralEngine)
    XCTAssertEqual(MLModel.units, .cpuAndNeuralEngine)
    let input = try artifact.goldenInput(0)
    let wanted = (0..<10).map(Float.init)
    let answer = try answering(wanted)
    MLModel.answer = { given in
      let value = given.featureValue(for: "input")?.multiArrayValue
      XCTAssertEqual(value.map { MLShapedArray<Float>(converting: $0).scalars }, input)
      return answer
    }
    XCTAssertEqual(try classifier.run(input), wanted)
    let other = try answering([1, 2])
    MLModel.answer = { _ in other }
    let problem = refused { _ = try classifier.run(input) }
    XCTAssertTrue(problem?.what.contains("outputs of another size") == true)
    XCTAssertNotNil(refused { _ = try classifier.run([1]) })
    MLModel.answer = { _ in throw CocoaError(.featureUnsupported) }
    let failed = refused { _ = try classifier.run(input) }
    XCTAssertTrue(failed?.what.contains("Core ML refused") == true, "\(String(describing: failed))")
  }

  func testOutputsThatAreNoLogitsAreTakenByTheirNames() async throws {
    let folder = try Given.copy(artifact(.tensor).folder, self)
    let path = folder.appendingPathComponent("manifest.json")
    let whole = try JSONSerialization.jsonObject(with: Data(contentsOf: path))
    var manifest = try XCTUnwrap(whole as? [String: Any])
    let tensors: [[String: Any]] = [
      ["name": "a", "shape": [1, 4]], ["name": "b", "shape": [6]],
    ]
    manifest["output"] = ["kind": "tensors", "tensors": tensors]
    let files = try XCTUnwrap(manifest["files"] as? [[String: Any]])
    manifest["files"] = files.filter { $0["path"] as? String != "labels.txt" }
    try JSONSerialization.data(withJSONObject: manifest).write(to: path)
    let artifact = try Artifact(folder: folder, system: ios17)
    let classifier = try await CoreMLClassifier(artifact, .all)
    func value(_ shape: [Int], from first: Int, _ count: Int) -> MLFeatureValue {
      let numbers = (first..<first + count).map(Float.init)
      return MLFeatureValue(shapedArray: MLShapedArray<Float>(scalars: numbers, shape: shape))
    }
    let answer = try MLDictionaryFeatureProvider(
      dictionary: ["b": value([6], from: 4, 6), "a": value([1, 4], from: 0, 4)])
    MLModel.answer = { _ in answer }
    XCTAssertEqual(try classifier.run(artifact.goldenInput(0)), (0..<10).map(Float.init))
  }

  func testAPictureGoesInWithItsColoursInTheirPlaces() async throws {
    let artifact = try artifact(.image)
    let classifier = try await CoreMLClassifier(artifact, .all)
    let side = 64 * 64
    let input = (0..<3 * side).map { Float($0 % 251) }
    let answer = try answering((0..<10).map(Float.init))
    MLModel.answer = { given in
      let picture = given.featureValue(for: "image")?.imageBufferValue
      for place in [(0, 0), (63, 0), (5, 40), (63, 63)] {
        let at = 64 * place.1 + place.0
        let wanted = [input[at], input[side + at], input[2 * side + at], 255].map { UInt8($0) }
        XCTAssertEqual(picture?.pixel(place.0, place.1), wanted, "\(place)")
      }
      return answer
    }
    XCTAssertEqual(try classifier.run(input).count, 10)
  }

  func testAPackageIsCompiledOnceAndItsPlanIsCounted() async throws {
    let artifact = try artifact(.image)
    _ = try await CoreMLClassifier(artifact, .all)
    let before = MLModel.compiled.count
    _ = try await CoreMLClassifier(artifact, .cpu)
    XCTAssertEqual(MLModel.compiled.count, before)
    XCTAssertEqual(MLModel.units, .cpuOnly)
    let plan = try await ModelLoader().plan(artifact, .all)
    XCTAssertEqual(plan?.requested, .all)
    XCTAssertEqual(
      plan?.operators.map(\.unit), [.cpu, .gpu, .neuralEngine, .neuralEngine, .neuralEngine])
    XCTAssertEqual(
      plan?.operators[1],
      PlannedOperator(
        name: "ios17.conv", output: "x_2", unit: .gpu, supported: [.cpu, .gpu], cost: 0.25))
    XCTAssertTrue(ModelLoader().version(of: "coreml").hasPrefix("of iOS "))
    XCTAssertEqual(ModelLoader().version(of: "xnnpack"), ExecuTorchClassifier.version)
  }

  func testTwoLoadsAtOnceShareWhatIsCompiledFirst() async throws {
    let artifact = try artifact(.image)
    let caches = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    addTeardownBlock { try FileManager.default.removeItem(at: caches) }
    setenv("XDG_CACHE_HOME", caches.path, 1)
    MLModel.whileCompiling = {
      MLModel.whileCompiling = nil
      _ = try await CoreMLClassifier(artifact, .all)
    }
    let before = MLModel.compiled.count
    _ = try await CoreMLClassifier(artifact, .all)
    XCTAssertEqual(MLModel.compiled.count, before + 2)
    let kept = try FileManager.default.contentsOfDirectory(
      atPath: caches.appendingPathComponent("compiled").path)
    XCTAssertEqual(kept, ["\(artifact.modelSHA256).mlmodelc"])
  }
}
