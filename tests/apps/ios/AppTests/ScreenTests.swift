import CoreML
import EdgeformCore
import Foundation
import PhotosUI
import SwiftUI
import UIKit
import XCTest

@testable import App

/// The screens, through stand-ins of SwiftUI that keep what they are given.
@MainActor final class ScreenTests: XCTestCase, @unchecked Sendable {
  private let photo = Data([0, 2] + [UInt8](repeating: 200, count: 16))

  private func models(_ loader: any ClassifierLoader = ModelLoader()) throws -> Models {
    let store = ArtifactStore(
      [try Given.folder("EDGEFORM_ARTIFACTS"), try Given.folder("EDGEFORM_DAMAGED")],
      system: OperatingSystemVersion(majorVersion: 17, minorVersion: 5, patchVersion: 0))
    let services = Services(
      store: store, loader: loader, decoder: PhotoDecoder(), phone: ThisPhone())
    return Models(services, documents: FileManager.default.temporaryDirectory)
  }

  private func whole() throws -> String {
    try XCTUnwrap(
      models().classify.artifacts.first { name in
        !["damaged", "coreml", "outputs"].contains { name.contains($0) }
      })
  }

  func testAPhotographIsClassified() async throws {
    let model = try models().classify
    model.artifact = try whole()
    XCTAssertTrue(Screen(ClassifyView(model: model)).shows("Choose a photo to see"))
    let photo = photo
    model.classify { try await PhotosPickerItem(standIn: photo).loadTransferable(type: Data.self) }
    XCTAssertTrue(model.work.isRunning)
    await model.work.finished()
    let screen = Screen(ClassifyView(model: model))
    XCTAssertEqual(screen.bars.count, 5)
    XCTAssertTrue(screen.bars == screen.bars.sorted(by: >), "\(screen.bars)")
    XCTAssertTrue(screen.shows("Preprocessing"), "\(screen.texts)")
    XCTAssertTrue(screen.shows(" %"))
    XCTAssertEqual(model.photo, photo)
  }

  func testAPhotographIsTakenWithTheCamera() async throws {
    let model = try models().classify
    model.artifact = try whole()
    let view = ClassifyView(model: model)
    XCTAssertTrue(Screen(view).controllers.isEmpty)
    for photo in [nil, UIImage(data: photo)] {
      XCTAssertTrue(Screen(view).press("Take a photo"))
      let camera = try XCTUnwrap(Screen(view).controllers.first as? CameraPicker)
      let (controller, coordinator) = camera.shown()
      XCTAssertEqual(controller.sourceType, .camera)
      let delegate = try XCTUnwrap(controller.delegate)
      XCTAssertTrue(delegate === coordinator)
      if let photo {
        delegate.imagePickerController(
          controller, didFinishPickingMediaWithInfo: [.originalImage: photo])
      } else {
        delegate.imagePickerControllerDidCancel(controller)
      }
      XCTAssertTrue(Screen(view).controllers.isEmpty)
      XCTAssertEqual(model.work.isRunning, photo != nil)
    }
    await model.work.finished()
    XCTAssertEqual(Screen(view).bars.count, 5)
    XCTAssertEqual(model.photo, photo)
    UIImagePickerController.hasCamera = false
    defer { UIImagePickerController.hasCamera = true }
    XCTAssertFalse(Screen(view).press("Take a photo"))
  }

  func testAPhotographThatIsNoneIsNamed() async throws {
    let model = try models().classify
    model.artifact = try whole()
    for given in [Data("no image".utf8), nil] {
      model.classify { given }
      await model.work.finished()
      let screen = Screen(ClassifyView(model: model))
      XCTAssertTrue(screen.shows("The image cannot be used"), "\(screen.texts)")
      XCTAssertTrue(screen.shows("Choose another."))
    }
  }

  func testADamagedArtifactIsNamedWithTheRemedy() async throws {
    let model = try models().classify
    model.artifact = "damaged"
    model.classifySample()
    await model.work.finished()
    let screen = Screen(ClassifyView(model: model))
    XCTAssertTrue(screen.shows("its digest differs"), "\(screen.texts)")
    XCTAssertTrue(screen.shows("Copy the artifact to the phone again."))
  }

  func testTensorsThatAreNoLogitsAreTestedAndTimedAndDoNotClassify() async throws {
    let models = try models()
    let name = try XCTUnwrap(models.classify.artifacts.first { $0.hasSuffix("outputs") })
    models.classify.artifact = name
    models.classify.classifySample()
    await models.classify.work.finished()
    let screen = Screen(ClassifyView(model: models.classify))
    XCTAssertTrue(screen.shows("does not classify"), "\(screen.texts)")
    XCTAssertTrue(screen.shows("Choose another artifact"))
    models.selfTest.start()
    await models.selfTest.work.finished()
    let result = models.selfTest.work.state.results.first { $0.artifact == name }
    XCTAssertEqual(result?.passed, true)
    let row = Screen(SelfTestRow(result: try XCTUnwrap(result)))
    for tensor in ["mask: ", "box: "] { XCTAssertTrue(row.shows(tensor), "\(row.texts)") }
    (models.benchmark.artifact, models.benchmark.iterations) = (name, 10)
    models.benchmark.start()
    await models.benchmark.work.finished()
    XCTAssertTrue(Screen(BenchmarkView(model: models.benchmark)).shows("Execute"))
  }

  func testTheSelfTestPassesWholeArtifactsAndNamesADamagedOne() async throws {
    let model = try models().selfTest
    XCTAssertTrue(Screen(SelfTestView(model: model)).press("Test every artifact"))
    XCTAssertFalse(Screen(SelfTestView(model: model)).press("Test every artifact"))
    await model.work.finished()
    let results = Dictionary(
      uniqueKeysWithValues: model.work.state.results.map { ($0.artifact, $0) })
    XCTAssertEqual(Set(results.keys), Set(model.artifacts))
    for (name, result) in results where !name.contains("coreml") {
      XCTAssertEqual(result.passed, name != "damaged", name)
    }
    let screen = Screen(SelfTestView(model: model))
    XCTAssertTrue(screen.shows("Passed") && screen.shows("Failed") && screen.shows(" dB, at least"))
  }

  func testABenchmarkIsShownAndShared() async throws {
    let model = try models().benchmark
    (model.artifact, model.iterations) = (try whole(), 10)
    XCTAssertTrue(Screen(BenchmarkView(model: model)).press("Start"))
    await model.work.finished()
    let screen = Screen(BenchmarkView(model: model))
    for text in ["Execute", "p50 ", "Thermal state fair → fair", "Battery 85 % → 85 %"] {
      XCTAssertTrue(screen.shows(text), "\(text): \(screen.texts)")
    }
    XCTAssertTrue(try XCTUnwrap(screen.shared.first).contains("\"iterations\" : 10"))
  }

  func testASlowModelCanBeCancelledAndOutlivesItsScreen() async throws {
    let model = try models(SlowLoader()).benchmark
    (model.artifact, model.iterations) = (try whole(), 1000)
    XCTAssertTrue(Screen(BenchmarkView(model: model)).press("Start"))
    while Screen(BenchmarkView(model: model)).bars.first ?? 0 < 0.102 { await Task.yield() }
    // another screen, as after a rotation
    XCTAssertTrue(Screen(BenchmarkView(model: model)).press("Cancel"))
    await model.work.finished()
    let screen = Screen(BenchmarkView(model: model))
    XCTAssertTrue(screen.shows("Cut short after"), "\(screen.texts)")
    XCTAssertTrue(screen.isEnabled("Start"))
  }

  func testAMemoryWarningStopsWhatRuns() async throws {
    let models = try models(SlowLoader())
    (models.benchmark.artifact, models.benchmark.iterations) = (try whole(), 1000)
    models.benchmark.start()
    let delegate = AppDelegate()
    delegate.models = models
    delegate.applicationDidReceiveMemoryWarning(UIApplication())
    await models.benchmark.work.finished()
    XCTAssertTrue(Screen(BenchmarkView(model: models.benchmark)).shows("Nothing was measured."))
  }

  func testWithoutArtifactsEachScreenSaysWhatToDo() async throws {
    let services = Services(
      store: ArtifactStore([]), loader: ModelLoader(), decoder: PhotoDecoder(), phone: ThisPhone())
    let models = Models(services, documents: FileManager.default.temporaryDirectory)
    let screens = [
      Screen(ClassifyView(model: models.classify)), Screen(SelfTestView(model: models.selfTest)),
      Screen(BenchmarkView(model: models.benchmark)),
    ]
    for (screen, button) in zip(screens, ["Use the sample image", "Test every artifact", "Start"]) {
      XCTAssertTrue(screen.shows("put one into artifacts/"), "\(screen.texts)")
      XCTAssertFalse(screen.isEnabled(button))
    }
  }

  func testTheAppShowsWhatEdgeformMakesItDo() async throws {
    let models = try models()
    models.answerRemote(["EDGEFORM_RUN": "run1", "EDGEFORM_JOB": "dance"])
    await models.remote.finished()
    let screen = Screen(ContentView(models: models))
    XCTAssertTrue(screen.shows("another EDGEFORM_JOB"), "\(screen.texts)")
    XCTAssertTrue(["Classify", "Self-test", "Benchmark"].allSatisfy { screen.shows($0) })
  }
}

/// A model that takes a millisecond a run.
private struct SlowLoader: ClassifierLoader {
  struct Model: Classifier {
    let logits: Int

    func run(_ input: [Float]) throws -> [Float] {
      Thread.sleep(forTimeInterval: 0.001)
      return [Float](repeating: 0, count: logits)
    }
  }

  func load(_ artifact: Artifact, _ units: ComputeUnits) async throws -> any Classifier {
    Model(logits: artifact.manifest.output.elements)
  }

  func plan(_ artifact: Artifact, _ units: ComputeUnits) async throws -> ComputePlan? { nil }
  func version(of target: String) -> String { "slow" }
}
