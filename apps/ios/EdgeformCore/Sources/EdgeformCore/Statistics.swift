import Foundation

/// A summary of times in milliseconds.
public struct Statistics: Hashable, Sendable {
  public let p50, p90, p99, mean, min: Double

  /// Nil without samples.
  public init?(of samples: [Double]) {
    let sorted = samples.sorted()
    guard let least = sorted.first else { return nil }
    p50 = percentile(sorted, 0.50)
    p90 = percentile(sorted, 0.90)
    p99 = percentile(sorted, 0.99)
    mean = samples.reduce(0, +) / Double(samples.count)
    min = least
  }
}

/// Linear between the two neighbours in rank, from the nearer one: numpy's default.
private func percentile(_ sorted: [Double], _ share: Double) -> Double {
  let rank = share * Double(sorted.count - 1)
  let below = Int(rank.rounded(.down))
  let above = min(below + 1, sorted.count - 1)
  let part = rank - Double(below)
  let step = sorted[above] - sorted[below]
  return part < 0.5 ? sorted[below] + step * part : sorted[above] - step * (1 - part)
}
