import Foundation

// How each section of the manifest is read: every field present, of its kind and in its range.

private let largestSize = 32768  // of a side, a batch or a count
private let mostNumbers = 1 << 26  // of an input or output: 256 MiB

/// Any name of a JSON object's field.
struct Field: CodingKey, ExpressibleByStringLiteral {
  let stringValue: String
  var intValue: Int? { nil }

  init(stringLiteral name: String) { stringValue = name }
  init(stringValue name: String) { stringValue = name }
  init?(intValue: Int) { nil }
}

typealias Section = KeyedDecodingContainer<Field>

extension Manifest: Decodable {
  public init(from decoder: any Decoder) throws {
    let root = try decoder.container(keyedBy: Field.self)
    let target = try root.section("target")
    let selfTest = try root.section("selftest")
    name = try root.decode(String.self, forKey: "name")
    model = try root.section("model").decode(String.self, forKey: "name")
    recipe = try root.decode(String.self, forKey: "recipe")
    self.target = try target.decode(String.self, forKey: "name")
    minimumDeployment = try Manifest.deployment(target)
    input = try root.decode(InputContract.self, forKey: "input")
    output = try root.decode(OutputContract.self, forKey: "output")
    goldenSamples = try root.section("golden").size("samples")
    files = try root.decode([FileEntry].self, forKey: "files")
    let sqnrDB = try selfTest.number("sqnr_db")
    switch output {
    case .logits(let logits):
      passMark = PassMark(sqnrDB: sqnrDB, top1: try selfTest.number("top1"))
      if logits.batch != input.shape[0] {
        throw root.wrong("output", "it has another batch than input.shape")
      }
    case .tensors: passMark = PassMark(sqnrDB: sqnrDB, top1: nil)
    }
  }

  private static func deployment(_ target: Section) throws -> Int? {
    let name: Field = "minimum-deployment"
    guard target.contains("options") else { return nil }
    let options = try target.section("options")
    guard options.contains(name) else { return nil }
    let text = try options.decode(String.self, forKey: name)
    guard text.hasPrefix("iOS"), let major = Int(text.dropFirst(3)), (1...999).contains(major)
    else { throw options.wrong(name, "\"\(text)\" is no version of iOS") }
    return major
  }
}

extension InputContract: Decodable {
  public init(from decoder: any Decoder) throws {
    let input = try decoder.container(keyedBy: Field.self)
    _ = try input.choice("dtype", ["float32"])
    _ = try input.choice("layout", ["NCHW"])
    _ = try input.choice("color_order", ["RGB"])
    name = try input.decode(String.self, forKey: "name")
    kind = try input.choice("kind", InputKind.self)
    shape = try input.sizes("shape", 4)
    resize = try input.decode(Resize.self, forKey: "resize")
    let normalization = try input.choice("normalization", ["caller", "model"])
    normalizedByCaller = normalization == "caller"
    mean = try input.floats("mean", 3)
    std = try input.floats("std", 3)
    if let other = std.first(where: { $0 <= 0 }) {
      throw input.wrong("std", "it holds \(other), which is not above 0")
    }
    if shape[1...] != [3, resize.height, resize.width] {
      throw input.wrong("shape", "it is not (batch, 3, height, width) of the crop")
    }
    try input.checkNumbers("shape", [shape])
    if kind == .image && normalizedByCaller {
      throw input.wrong("normalization", "a model that takes an image normalizes it itself")
    }
  }
}

extension Resize: Decodable {
  public init(from decoder: any Decoder) throws {
    let resize = try decoder.container(keyedBy: Field.self)
    let crop = try resize.sizes("crop", 2)
    size = try resize.size("size")
    interpolation = try resize.choice("interpolation", Interpolation.self)
    (height, width) = (crop[0], crop[1])
    mode = resize.contains("mode") ? try resize.choice("mode", ResizeMode.self) : .crop
  }
}

extension OutputContract: Decodable {
  public init(from decoder: any Decoder) throws {
    let output = try decoder.container(keyedBy: Field.self)
    let kind = try output.choice("kind", ["logits", "class", "tensors"])
    if kind == "tensors" {
      let tensors = try output.decode([TensorContract].self, forKey: "tensors")
      if tensors.isEmpty { throw output.wrong("tensors", "it is empty") }
      try output.checkNumbers("tensors", tensors.map(\.shape))
      self = .tensors(tensors)
    } else {
      self = .logits(try output.decodeLogits())
    }
  }
}

extension TensorContract: Decodable {
  public init(from decoder: any Decoder) throws {
    let tensor = try decoder.container(keyedBy: Field.self)
    name = try tensor.decode(String.self, forKey: "name")
    shape = try tensor.sizes("shape", nil)
    if shape.isEmpty { throw tensor.wrong("shape", "it is empty") }
    try tensor.checkNumbers("shape", [shape])
  }
}

extension KeyedDecodingContainer<Field> {
  fileprivate func decodeLogits() throws -> LogitsContract {
    let shape = try sizes("shape", 2)
    let heads = try choice("heads", ["mean", "both"]) == "both" ? 2 : 1
    try checkNumbers("shape", [[heads] + shape])
    return LogitsContract(
      name: try decode(String.self, forKey: "name"),
      kind: try choice("kind", OutputKind.self),
      batch: shape[0], classes: shape[1], heads: heads)
  }
}

extension FileEntry: Decodable {
  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: Field.self)
    path = try file.decode(String.self, forKey: "path")
    bytes = try file.bytes("bytes")
    sha256 = try file.decode(String.self, forKey: "sha256")
    deploy = try file.decode(Bool.self, forKey: "deploy")
  }
}

extension KeyedDecodingContainer<Field> {
  fileprivate func section(_ name: Field) throws -> Section {
    try nestedContainer(keyedBy: Field.self, forKey: name)
  }

  fileprivate func choice(_ name: Field, _ allowed: [String]) throws -> String {
    let value = try decode(String.self, forKey: name)
    if !allowed.contains(value) {
      throw wrong(name, "\"\(value)\" is not \(allowed.joined(separator: " or "))")
    }
    return value
  }

  fileprivate func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: Field, _ kind: Choice.Type
  ) throws -> Choice {
    let text = try choice(name, kind.allCases.map(\.rawValue))
    guard let value = Choice(rawValue: text) else { throw wrong(name, "\"\(text)\" is unknown") }
    return value
  }

  fileprivate func number(_ name: Field) throws -> Double {
    let value = try decode(Double.self, forKey: name)
    if !value.isFinite { throw wrong(name, "it is not a finite number") }
    return value
  }

  /// A whole number of bytes.
  fileprivate func bytes(_ name: Field) throws -> Int {
    try whole(name, decode(Double.self, forKey: name), 0...1 << 53)
  }

  /// A whole number from 1 to `largestSize`.
  fileprivate func size(_ name: Field) throws -> Int {
    try whole(name, decode(Double.self, forKey: name), 1...largestSize)
  }

  /// `count` of them, nil is any number.
  fileprivate func sizes(_ name: Field, _ count: Int?) throws -> [Int] {
    let values = try decode([Double].self, forKey: name)
    if let count, values.count != count {
      throw wrong(name, "it has \(values.count) values, not \(count)")
    }
    return try values.map { try whole(name, $0, 1...largestSize) }
  }

  /// Decoding an Int of 0.5 or 1e300 would throw an error that names no field.
  private func whole(_ name: Field, _ value: Double, _ range: ClosedRange<Int>) throws -> Int {
    guard let number = Int(exactly: value), range.contains(number) else {
      throw wrong(name, "\(value) is no whole number in \(range)")
    }
    return number
  }

  fileprivate func floats(_ name: Field, _ count: Int) throws -> [Float] {
    let values = try decode([Double].self, forKey: name).map(Float.init)
    if values.count != count { throw wrong(name, "it has \(values.count) values, not \(count)") }
    if !values.allSatisfy(\.isFinite) { throw wrong(name, "it holds no finite number") }
    return values
  }

  fileprivate func checkNumbers(_ name: Field, _ shapes: [[Int]]) throws {
    let counts = shapes.map { $0.map(Double.init).reduce(1, *) }  // in an Int they could overflow
    if counts.reduce(0, +) > Double(mostNumbers) {
      throw wrong(name, "it has more than \(mostNumbers) numbers")
    }
  }

  fileprivate func wrong(_ name: Field, _ why: String) -> DecodingError {
    .dataCorruptedError(forKey: name, in: self, debugDescription: why)
  }
}

extension DecodingError {
  /// The field that is wrong, as in "files[1].path", and why.
  var place: String {
    switch self {
    case .keyNotFound(let key, let context):
      "\(DecodingError.path(context.codingPath + [key])) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      context.codingPath.isEmpty
        ? context.debugDescription
        : "\(DecodingError.path(context.codingPath)): \(context.debugDescription)"
    @unknown default: localizedDescription
    }
  }

  private static func path(_ keys: [any CodingKey]) -> String {
    keys.reduce("") { path, key in
      if let index = key.intValue { return "\(path)[\(index)]" }
      return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
    }
  }
}
