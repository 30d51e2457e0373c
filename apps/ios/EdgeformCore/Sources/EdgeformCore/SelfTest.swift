import Foundation

private let identicalDB = 200.0  // of equal logits; float32 reaches about 150 otherwise
private let build = "Build the artifact again, with samples that differ."

/// How far one head's logits, or one tensor, on the phone are from the expected ones, over all
/// images. `sqnrDB` weighs the error against what differs between images: an answer that is always
/// the same reaches 0 dB at best. `name` is the output's, `classes` is nil where there are none.
public struct Agreement: Hashable, Sendable {
  public let name: String
  public let sqnrDB: Double
  public let classes: ClassAgreement?

  public func passes(_ mark: PassMark) -> Bool {
    sqnrDB >= mark.sqnrDB && classes?.passes(mark) ?? true
  }
}

/// `constant`: the `top1` of an answer that is always the commonest class.
public struct ClassAgreement: Hashable, Sendable {
  public let top1, constant: Double

  /// Whether `top1` says anything: a constant answer does not reach the mark.
  public func isJudged(_ mark: PassMark) -> Bool { constant < mark.top1 ?? 0 }

  public func passes(_ mark: PassMark) -> Bool { top1 >= mark.top1 ?? 0 || !isJudged(mark) }
}

/// Compares logits, one array a sample as `Classifier.run` gives it, and tells of each head or
/// tensor. Throws a `Problem` for what cannot be judged: other sizes, NaN, fewer than two images or
/// images whose expected logits are all the same.
public func compare(expected: [[Float]], actual: [[Float]], _ output: OutputContract) throws
  -> [Agreement]
{
  let all = expected + actual
  if expected.count != actual.count || all.contains(where: { $0.count != output.elements }) {
    throw Problem("The logits have another size than the manifest says.", remedy: build)
  }
  if !all.allSatisfy({ $0.allSatisfy(\.isFinite) }) {
    throw Problem("There are NaN or infinite logits.", remedy: build)
  }
  switch output {
  case .logits(let logits):
    return try output.names.enumerated().map { head, name in
      let (wanted, got) = (rows(expected, logits, head), rows(actual, logits, head))
      return Agreement(
        name: name, sqnrDB: try sqnrDB(wanted, got), classes: classAgreement(wanted, got))
    }
  case .tensors(let tensors):
    var start = 0
    return try tensors.map { tensor in
      let place = start..<start + tensor.elements
      start = place.upperBound
      let (wanted, got) = (expected.map { $0[place] }, actual.map { $0[place] })
      return Agreement(name: tensor.name, sqnrDB: try sqnrDB(wanted, got), classes: nil)
    }
  }
}

/// A head's logits of each image of each sample.
private func rows(_ samples: [[Float]], _ output: LogitsContract, _ head: Int) -> [ArraySlice<
  Float
>] {
  samples.flatMap { logits in
    (0..<output.batch).map { image in
      let start = (head * output.batch + image) * output.classes
      return logits[start..<start + output.classes]
    }
  }
}

private func sqnrDB(_ expected: [ArraySlice<Float>], _ actual: [ArraySlice<Float>]) throws
  -> Double
{
  var (signal, noise) = (0.0, 0.0)
  for index in 0..<(expected.first?.count ?? 0) {
    let wanted = expected.map { Double($0[$0.startIndex + index]) }
    let got = actual.map { Double($0[$0.startIndex + index]) }
    let mean = wanted.reduce(0, +) / Double(wanted.count)
    signal += wanted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    noise += zip(wanted, got).reduce(0) { $0 + ($1.1 - $1.0) * ($1.1 - $1.0) }
  }
  if signal == 0 {  // of fewer than two images, too
    throw Problem("These inputs do not tell: their expected logits do not differ.", remedy: build)
  }
  return noise == 0 ? identicalDB : min(identicalDB, 10 * log10(signal / noise))
}

private func classAgreement(_ expected: [ArraySlice<Float>], _ actual: [ArraySlice<Float>])
  -> ClassAgreement
{
  let classes = expected.map(largest)
  let counts = classes.reduce(into: [:]) { $0[$1, default: 0] += 1 }
  let right = zip(classes, actual.map(largest)).count { $0 == $1 }
  return ClassAgreement(
    top1: Double(right) / Double(classes.count),
    constant: Double(counts.values.max() ?? 0) / Double(classes.count))
}

/// The place of the largest logit, the first of equal ones.
private func largest(_ logits: ArraySlice<Float>) -> Int {
  var best = logits.startIndex
  for index in logits.indices where logits[index] > logits[best] { best = index }
  return best - logits.startIndex
}
