import Foundation

/// A class and its probability.
public struct Prediction: Hashable, Sendable {
  public let index: Int
  public let probability: Double
}

/// The most probable classes of the first image, best first. `logits`: rows x classes, the first
/// head's rows before the second's; two heads are averaged.
public func topClasses(_ logits: [Float], _ output: LogitsContract, count: Int = 5) -> [Prediction]
{
  let head = output.batch * output.classes
  let mean = (0..<output.classes).map { index in
    (0..<output.heads).reduce(0) { $0 + Double(logits[$1 * head + index]) } / Double(output.heads)
  }
  let probabilities = softmax(mean)
  return probabilities.enumerated()
    .sorted { ($0.element, -$0.offset) > ($1.element, -$1.offset) }
    .prefix(count)
    .map { Prediction(index: $0.offset, probability: $0.element) }
}

/// exp(x - max) over its sum: large logits do not overflow.
func softmax(_ logits: [Double]) -> [Double] {
  let largest = logits.max() ?? 0
  let powers = logits.map { exp($0 - largest) }
  let sum = powers.reduce(0, +)
  return powers.map { $0 / sum }
}
