// Of developer.apple.com/documentation/coreml: mlmodel, mlmodelconfiguration, mlcomputeunits,
// mlfeaturevalue, mlfeatureprovider, mldictionaryfeatureprovider, mlmultiarray, mlshapedarray,
// mlshapedarrayprotocol, mlcomputeplan-1w21n, mlmodelstructure, mlcomputedevice.

import CoreVideo
import Foundation

public enum MLComputeUnits: Int, Sendable {
  case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

public final class MLModelConfiguration: NSObject {
  public var computeUnits = MLComputeUnits.all
}

public final class MLMultiArray: NSObject {
  let values: [Float]

  /// Of this stand-in alone.
  public init(standIn values: [Float]) { self.values = values }
}

public protocol MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}

public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
  public let scalars: [Scalar]
  public let shape: [Int]

  public init<S: Sequence>(scalars: S, shape: [Int]) where S.Element == Scalar {
    (self.scalars, self.shape) = (Array(scalars), shape)
    precondition(self.scalars.count == shape.reduce(1, *))
  }
}

extension MLShapedArray<Float> {
  public init(converting multiArray: MLMultiArray) {
    self.init(scalars: multiArray.values, shape: [multiArray.values.count])
  }
}

public final class MLFeatureValue: NSObject {
  public let multiArrayValue: MLMultiArray?
  public let imageBufferValue: CVPixelBuffer?

  public init<Scalar>(shapedArray: MLShapedArray<Scalar>) {
    multiArrayValue = (shapedArray.scalars as? [Float]).map(MLMultiArray.init(standIn:))
    imageBufferValue = nil
  }

  public init(pixelBuffer: CVPixelBuffer) {
    (multiArrayValue, imageBufferValue) = (nil, pixelBuffer)
  }
}

public protocol MLFeatureProvider {
  func featureValue(for featureName: String) -> MLFeatureValue?
}

public final class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
  public let dictionary: [String: MLFeatureValue]

  public init(dictionary: [String: Any]) throws {
    self.dictionary = dictionary.compactMapValues { $0 as? MLFeatureValue }
    if self.dictionary.count != dictionary.count { throw CocoaError(.featureUnsupported) }
  }

  public func featureValue(for featureName: String) -> MLFeatureValue? { dictionary[featureName] }
}

public final class MLModel: NSObject {
  /// Of this stand-in alone: what it answers, what happens while it compiles, and the units
  /// that it was last loaded for.
  nonisolated(unsafe) public static var answer:
    (any MLFeatureProvider) throws -> any MLFeatureProvider =
      { $0 }
  nonisolated(unsafe) public static var whileCompiling: (@Sendable () async throws -> Void)?
  nonisolated(unsafe) public static var compiled: [String] = []
  nonisolated(unsafe) public static var units: MLComputeUnits?

  public static func compileModel(at modelURL: URL) async throws -> URL {
    guard modelURL.pathExtension == "mlpackage" else { throw CocoaError(.fileReadCorruptFile) }
    compiled.append(modelURL.lastPathComponent)
    let made = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try Data().write(to: made)
    try await whileCompiling?()
    return made
  }

  public init(contentsOf url: URL, configuration: MLModelConfiguration) throws {
    guard url.pathExtension == "mlmodelc" else { throw CocoaError(.fileReadCorruptFile) }
    MLModel.units = configuration.computeUnits
  }

  public func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider {
    try MLModel.answer(input)
  }
}

public final class MLCPUComputeDevice: NSObject {}
public final class MLGPUComputeDevice: NSObject {}
public final class MLNeuralEngineComputeDevice: NSObject {}

public enum MLComputeDevice {
  case cpu(MLCPUComputeDevice)
  case gpu(MLGPUComputeDevice)
  case neuralEngine(MLNeuralEngineComputeDevice)
}

public enum MLModelStructure {
  case program(Program)
  case unsupported

  public struct Program {
    public let functions: [String: Function]

    public struct Function {
      public let block: Block
    }

    public struct Block {
      public let operations: [Operation]
    }

    public struct NamedValueType {
      public let name: String
    }

    public struct Operation {
      public let operatorName: String
      public let outputs: [NamedValueType]
      let device: MLComputeDevice?
    }
  }
}

@available(iOS 17.4, *)
public final class MLComputePlan {
  public struct DeviceUsage {
    public let supported: [MLComputeDevice]
    public let preferred: MLComputeDevice
  }

  public struct Cost {
    public let weight: Double
  }

  public let modelStructure: MLModelStructure

  private init(_ structure: MLModelStructure) { modelStructure = structure }

  public static func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws
    -> MLComputePlan
  {
    let devices: [MLComputeDevice?] =
      [nil, .cpu(MLCPUComputeDevice()), .gpu(MLGPUComputeDevice())]
      + (0..<3).map { _ in .neuralEngine(MLNeuralEngineComputeDevice()) }
    let block = MLModelStructure.Program.Block(
      operations: devices.enumerated().map { index, device in
        .init(
          operatorName: device == nil ? "const" : "ios17.conv",
          outputs: [.init(name: "x_\(index)")], device: device)
      })
    return MLComputePlan(.program(.init(functions: ["main": .init(block: block)])))
  }

  public func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? {
    operation.device.map { device in
      DeviceUsage(supported: [.cpu(MLCPUComputeDevice()), device], preferred: device)
    }
  }

  public func estimatedCost(of operation: MLModelStructure.Program.Operation) -> Cost? {
    operation.device == nil ? nil : Cost(weight: 0.25)
  }
}
