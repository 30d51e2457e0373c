import Foundation
import Observation

/// A named class and its probability.
public struct Answer: Hashable, Sendable, Identifiable {
  public let label: String
  public let probability: Double
  public var id: String { label }
}

/// What one photograph was taken for, and how long that took in milliseconds.
public struct Classification: Hashable, Sendable {
  public let artifact: String
  public let answers: [Answer]
  public let preprocessMS, executeMS: Double
}

public enum ClassifyState: Hashable, Sendable {
  case idle, working
  case done(Classification)
  case failed(Problem)
}

/// The first screen's model: a photograph and an artifact to classify it with.
@MainActor @Observable public final class ClassifyModel {
  public let work = Work<ClassifyState>(.idle, failed: ClassifyState.failed)
  public var artifact: String?
  /// The encoded photograph that was classified last.
  public private(set) var photo: Data?
  @ObservationIgnored private let services: Services

  public init(_ services: Services) {
    self.services = services
    artifact = services.store.names().first
  }

  public var artifacts: [String] { services.store.names() }

  /// Classifies what the photo library, or the camera, has given.
  public func classify(_ load: @escaping @Sendable () async throws -> Data?) {
    guard let artifact, !work.isRunning else { return }
    let services = services
    work.start { [weak self] publish in
      publish(.working)
      guard let encoded = try await load() else {
        throw RgbImage.unusable("the photo library did not give it")
      }
      await self?.show(encoded)
      return .done(try await classified(encoded, artifact, services))
    }
  }

  /// Classifies the golden picture that came with the artifact.
  public func classifySample() {
    guard let artifact else { return }
    let store = services.store
    classify { try store.open(artifact).goldenImage() }
  }

  private func show(_ encoded: Data) { photo = encoded }
}

private func classified(_ encoded: Data, _ name: String, _ services: Services) async throws
  -> Classification
{
  let artifact = try services.store.open(name)
  let output = try artifact.manifest.logits()
  let classifier = try await services.loader.load(artifact, .all)
  let image = try services.decoder.decode(encoded)
  let clock = Benchmark.milliseconds()
  let input = Preprocessing(artifact.manifest.input).prepared(image)
  let prepared = clock()
  let logits = try classifier.run(input)
  let executed = clock()
  try Task.checkCancellation()
  return Classification(
    artifact: name,
    answers: topClasses(logits, output).map {
      Answer(label: artifact.label($0.index), probability: $0.probability)
    },
    preprocessMS: prepared, executeMS: executed - prepared)
}
