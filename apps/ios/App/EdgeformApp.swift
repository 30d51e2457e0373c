import EdgeformCore
import Foundation
import SwiftUI
import UIKit

/// The screens' models: they live as long as the app.
@MainActor final class Models {
  let classify: ClassifyModel
  let selfTest: SelfTestModel
  let benchmark: BenchmarkModel
  let remote: Work<RemoteState>
  private let services: Services
  private let documents: URL

  init(_ services: Services, documents: URL) {
    (self.services, self.documents) = (services, documents)
    classify = ClassifyModel(services)
    selfTest = SelfTestModel(services)
    benchmark = BenchmarkModel(services)
    remote = Work(.none, failed: RemoteState.failed)
  }

  /// With what is in the app and in its documents.
  static func ofThisApp() -> Models {
    let documents = FileManager.default.urls(for: .documentDirectory, in: .userDomainMask)[0]
    let folders = [documents, Bundle.main.bundleURL].map { $0.appendingPathComponent("artifacts") }
    let services = Services(
      store: ArtifactStore(folders), loader: ModelLoader(), decoder: PhotoDecoder(),
      phone: ThisPhone())
    return Models(services, documents: documents)
  }

  /// Does what edgeform launched the app for, if it did.
  func answerRemote(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    let runs = RemoteRuns(documents: documents, services)
    remote.start { publish in
      guard let request = try RemoteRequest(environment) else { return .none }
      publish(.running)
      try await runs.answer(request)
      return .answered
    }
  }

  /// Stops what needs memory, when the system asks for it back.
  func release() {
    classify.work.cancel()
    selfTest.work.cancel()
    benchmark.work.cancel()
  }
}

enum RemoteState: Hashable, Sendable {
  case none, running, answered
  case failed(Problem)
}

final class AppDelegate: NSObject, UIApplicationDelegate {
  var models: Models?

  func applicationDidReceiveMemoryWarning(_ application: UIApplication) { models?.release() }
}

@main struct EdgeformApp: App {
  @UIApplicationDelegateAdaptor(AppDelegate.self) private var delegate
  @State private var models = Models.ofThisApp()

  var body: some Scene {
    WindowGroup {
      ContentView(models: models)
        .task {
          delegate.models = models
          models.answerRemote()
        }
    }
  }
}

struct ContentView: View {
  let models: Models

  var body: some View {
    TabView {
      ClassifyView(model: models.classify)
        .tabItem { Label("Classify", systemImage: "photo") }
      SelfTestView(model: models.selfTest)
        .tabItem { Label("Self-test", systemImage: "checkmark.seal") }
      BenchmarkView(model: models.benchmark)
        .tabItem { Label("Benchmark", systemImage: "speedometer") }
    }
    .overlay(alignment: .bottom) { remote }
  }

  @ViewBuilder private var remote: some View {
    switch models.remote.state {
    case .none: EmptyView()
    case .running: Text("edgeform is running this app: keep it open.")
    case .answered: Text("edgeform has its answer.")
    case .failed(let problem): ProblemView(problem: problem)
    }
  }
}

/// What went wrong and what to do, as one stop of the screen reader.
struct ProblemView: View {
  let problem: Problem

  var body: some View {
    VStack(alignment: .leading) {
      Text(problem.what).font(.headline)
      Text(problem.remedy).foregroundStyle(.secondary)
    }
    .accessibilityElement(children: .combine)
  }
}

/// Chooses an artifact; says what to do where there is none.
struct ArtifactPicker: View {
  let names: [String]
  @Binding var chosen: String?

  var body: some View {
    if names.isEmpty {
      Text("There is no artifact: put one into artifacts/ and build the app again.")
    } else {
      Picker("Artifact", selection: $chosen) {
        ForEach(names, id: \.self) { name in Text(name).tag(Optional(name)) }
      }
    }
  }
}
