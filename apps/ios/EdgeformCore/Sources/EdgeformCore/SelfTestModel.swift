import Foundation
import Observation

/// One artifact's self-test: each head's agreement, or what kept it from running.
public struct SelfTestResult: Hashable, Sendable, Identifiable {
  public enum Outcome: Hashable, Sendable {
    case measured([Agreement], PassMark)
    case broken(Problem)
  }

  public let artifact: String
  public let outcome: Outcome
  public var id: String { artifact }

  public var passed: Bool {
    guard case .measured(let heads, let mark) = outcome else { return false }
    return heads.allSatisfy { $0.passes(mark) }
  }
}

public enum SelfTestState: Hashable, Sendable {
  case idle
  case running([SelfTestResult])
  case done([SelfTestResult])
  case failed(Problem)

  public var results: [SelfTestResult] {
    switch self {
    case .running(let results), .done(let results): results
    case .idle, .failed: []
    }
  }
}

/// The second screen's model: runs the golden inputs of every artifact.
@MainActor @Observable public final class SelfTestModel {
  public let work = Work<SelfTestState>(.idle, failed: SelfTestState.failed)
  @ObservationIgnored private let services: Services

  public init(_ services: Services) { self.services = services }

  public var artifacts: [String] { services.store.names() }

  public func start() {
    let services = services
    work.start { publish in
      var results: [SelfTestResult] = []
      for name in services.store.names() {
        publish(.running(results))
        results.append(await tested(name, services))
        if Task.isCancelled { break }
      }
      return .done(results)
    }
  }
}

private func tested(_ name: String, _ services: Services) async -> SelfTestResult {
  do {
    let artifact = try services.store.open(name)
    let classifier = try await services.loader.load(artifact, .all)
    let samples = 0..<artifact.manifest.goldenSamples
    let expected = try samples.map(artifact.expectedLogits)
    let actual = try samples.map { sample in
      try Task.checkCancellation()
      return try classifier.run(artifact.goldenInput(sample))
    }
    let heads = try compare(expected: expected, actual: actual, artifact.manifest.output)
    return SelfTestResult(artifact: name, outcome: .measured(heads, artifact.manifest.passMark))
  } catch {
    return SelfTestResult(artifact: name, outcome: .broken(Problem(error)))
  }
}
