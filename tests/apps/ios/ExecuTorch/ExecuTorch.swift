// Names and signatures of ExecuTorch's Swift package, as its sources have them in
// extension/apple/ExecuTorch/Exported, over the same C++ runtime. What the app does not use is
// left out.

import ExecuTorchRuntime
import Foundation

/// As on Apple's systems an NSError of the number in error.h.
private func check(_ code: Int32) throws {
  if code != 0 { throw NSError(domain: "org.pytorch.executorch.error", code: Int(code)) }
}

public protocol Scalar {}
extension Float: Scalar {}

public final class Tensor<T: Scalar>: ValueConvertible {
  fileprivate let values: [T]
  fileprivate let shape: [Int]

  public init(_ scalars: [T], shape: [Int] = []) { (values, self.shape) = (scalars, shape) }

  public func scalars() -> [T] { values }

  public func asValue() -> Value { Value(self) }
}

public protocol ValueConvertible {
  func asValue() -> Value
}

public final class Value: ValueConvertible {
  fileprivate let content: Any

  fileprivate init(_ content: Any) { self.content = content }

  public func tensor<T: Scalar>() -> Tensor<T>? { content as? Tensor<T> }

  public func asValue() -> Value { self }
}

public enum ModuleLoadMode {
  case file
}

public final class Module {
  private let path: String
  private var program: OpaquePointer?

  public init(filePath: String, loadMode: ModuleLoadMode = .file) { path = filePath }

  deinit { program.map(program_free) }

  public func load(_ method: String) throws {
    guard program == nil else { return }
    guard method == "forward", let bytes = FileManager.default.contents(atPath: path) else {
      throw NSError(domain: "org.pytorch.executorch.error", code: 34)
    }
    try bytes.withUnsafeBytes { try check(program_load($0.baseAddress, $0.count, &program)) }
  }

  public func forward(_ inputs: ValueConvertible...) throws -> [Value] {
    try load("forward")
    guard let tensor = inputs.first?.asValue().content as? Tensor<Float> else {
      throw NSError(domain: "org.pytorch.executorch.error", code: 18)
    }
    try check(program_run(program, tensor.values, tensor.shape.map(Int32.init), tensor.shape.count))
    return try (0..<program_outputs(program)).map { index in
      var (data, count): (UnsafePointer<Float>?, Int) = (nil, 0)
      try check(program_output(program, index, &data, &count))
      return Value(Tensor(Array(UnsafeBufferPointer(start: data, count: count)), shape: [count]))
    }
  }
}
