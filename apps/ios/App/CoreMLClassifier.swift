import CoreML
import CoreVideo
import EdgeformCore
import Foundation

/// An `.mlpackage` that Core ML has compiled and loaded: the one file that knows its API.
final class CoreMLClassifier: Classifier, @unchecked Sendable {
  private let artifact: Artifact
  private let model: MLModel
  private let turn = NSLock()  // a model takes one call at a time

  init(_ artifact: Artifact, _ units: ComputeUnits) async throws {
    self.artifact = artifact
    let compiled = try await CoreMLClassifier.compiled(artifact)
    model = try explained(artifact) {
      try MLModel(contentsOf: compiled, configuration: units.configuration)
    }
  }

  func run(_ input: [Float]) throws -> [Float] {
    let (contract, output) = (artifact.manifest.input, artifact.manifest.output)
    guard input.count == contract.elements else {
      throw Problem(
        "The input has \(input.count) numbers, not \(contract.elements).",
        remedy: "Take it from Preprocessing.prepared.")
    }
    let value =
      contract.kind == .image
      ? MLFeatureValue(pixelBuffer: try pixels(input, contract))
      : MLFeatureValue(
        shapedArray: MLShapedArray<Float>(scalars: input, shape: contract.shape))
    let found = try turn.withLock {
      try explained(artifact) {
        try model.prediction(
          from: MLDictionaryFeatureProvider(dictionary: [contract.name: value]))
      }
    }
    let logits = output.names.flatMap { name in
      found.featureValue(for: name)?.multiArrayValue.map {
        MLShapedArray<Float>(converting: $0).scalars
      } ?? []
    }
    guard logits.count == output.elements else {
      throw Problem(
        "\(artifact.manifest.name) gives outputs of another size than its manifest says.",
        remedy: "Build the artifact again.")
    }
    return logits
  }

  /// Which unit Core ML means to run each operator on; nil before iOS 17.4.
  static func plan(_ artifact: Artifact, _ units: ComputeUnits) async throws -> ComputePlan? {
    let model = try await compiled(artifact)
    guard #available(iOS 17.4, *) else { return nil }
    let plan = try await MLComputePlan.load(
      contentsOf: model, configuration: units.configuration)
    guard case .program(let program) = plan.modelStructure else { return nil }
    let operations = program.functions["main"]?.block.operations ?? []
    let planned = operations.compactMap { operation -> PlannedOperator? in
      guard let usage = plan.deviceUsage(for: operation), let unit = usage.preferred.unit
      else { return nil }  // a constant runs nowhere
      return PlannedOperator(
        name: operation.operatorName, output: operation.outputs.first?.name ?? "",
        unit: unit, supported: usage.supported.compactMap(\.unit),
        cost: plan.estimatedCost(of: operation)?.weight)
    }
    return ComputePlan(requested: units, operators: planned)
  }

  /// The package as this phone compiles it, kept under its digest.
  private static func compiled(_ artifact: Artifact) async throws -> URL {
    let files = FileManager.default
    let folder = try files.url(
      for: .cachesDirectory, in: .userDomainMask, appropriateFor: nil, create: true
    ).appendingPathComponent("compiled")
    let kept = folder.appendingPathComponent("\(artifact.modelSHA256).mlmodelc")
    if files.fileExists(atPath: kept.path) { return kept }
    do {
      let made = try await MLModel.compileModel(at: artifact.model)
      try files.createDirectory(at: folder, withIntermediateDirectories: true)
      do { try files.moveItem(at: made, to: kept) } catch CocoaError.fileWriteFileExists {
        try files.removeItem(at: made)  // another load of the same package was done first
      }
      return kept
    } catch { throw refused(artifact, error) }
  }

  /// The planes of red, green and blue as one picture of blue, green, red, alpha.
  private func pixels(_ input: [Float], _ contract: InputContract) throws -> CVPixelBuffer {
    let (height, width) = (contract.shape[2], contract.shape[3])
    var made: CVPixelBuffer?
    CVPixelBufferCreate(nil, width, height, kCVPixelFormatType_32BGRA, nil, &made)
    guard let buffer = made, contract.shape[0] == 1 else {
      throw Problem(
        "There is no picture for \(artifact.manifest.name).",
        remedy: "Close other apps; build with --batch 1.")
    }
    CVPixelBufferLockBaseAddress(buffer, [])
    defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
    guard let start = CVPixelBufferGetBaseAddress(buffer) else { return buffer }
    let bytes = start.assumingMemoryBound(to: UInt8.self)
    for y in 0..<height {
      let row = bytes + y * CVPixelBufferGetBytesPerRow(buffer)
      for x in 0..<width {
        for channel in 0..<3 {
          row[4 * x + 2 - channel] = UInt8(clamping: Int(input[(channel * height + y) * width + x]))
        }
        row[4 * x + 3] = 255
      }
    }
    return buffer
  }
}

extension MLComputeDevice {
  fileprivate var unit: PlannedOperator.Unit? {
    if case .cpu = self { return .cpu }
    if case .gpu = self { return .gpu }
    if case .neuralEngine = self { return .neuralEngine }
    return nil  // one that a later system has
  }
}

extension ComputeUnits {
  fileprivate var configuration: MLModelConfiguration {
    let configuration = MLModelConfiguration()
    configuration.computeUnits =
      switch self {
      case .cpu: .cpuOnly
      case .cpuAndGPU: .cpuAndGPU
      case .cpuAndNeuralEngine: .cpuAndNeuralEngine
      case .all: .all
      }
    return configuration
  }
}

/// Runs a call of Core ML, its errors told as what they mean for a user.
private func explained<Result>(_ artifact: Artifact, _ action: () throws -> Result) throws -> Result
{
  do { return try action() } catch { throw refused(artifact, error) }
}

private func refused(_ artifact: Artifact, _ error: any Error) -> Problem {
  Problem(
    "Core ML refused \(artifact.manifest.name): \(error.localizedDescription)",
    remedy: "Free some space and memory, or build the artifact again with edgeform.",
    debug: "\(error)")
}
