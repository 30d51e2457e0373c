// Pillow's resize of 8-bit images, to the byte. Each output pixel is a weighted sum of the input
// pixels under a filter; the filter widens by the scale when the image shrinks. Rows first, rounded
// to 8 bits, then columns; weights in fixed point. Core Graphics' own scaling gives another picture.

private let precision = 32 - 8 - 2  // bits of a weight's fraction

extension Interpolation {
  /// The filter is zero from this distance on.
  fileprivate var support: Double { self == .bilinear ? 1 : 2 }

  /// The filter at a distance from an output pixel's centre: a triangle, or the cubic convolution
  /// with a = -1/2.
  fileprivate func weight(_ distance: Double) -> Double {
    let a = -0.5
    switch (self, distance) {
    case (.bilinear, ..<1): return 1 - distance
    case (.bicubic, ..<1): return ((a + 2) * distance - (a + 3)) * distance * distance + 1
    case (.bicubic, ..<2): return (((distance - 5) * distance + 8) * distance - 4) * a
    default: return 0
    }
  }
}

/// For an output pixel: its first input pixel and the weights of those from there on.
private struct Window {
  let first: Int
  let weights: [Int32]
}

extension RgbImage {
  /// An image of `width` x `height` pixels.
  func resized(width: Int, height: Int, _ interpolation: Interpolation) -> RgbImage {
    let wide = width == self.width ? self : resizedRows(width, interpolation)
    return height == self.height ? wide : wide.resizedColumns(height, interpolation)
  }

  private func resizedRows(_ width: Int, _ interpolation: Interpolation) -> RgbImage {
    let windows = interpolation.windows(from: self.width, to: width)
    let result = filled(3 * width * height) { source, target in
      for row in 0..<height {
        for x in 0..<width {
          let start = 3 * (row * self.width + windows[x].first)
          let at = 3 * (row * width + x)
          sum(source, start, step: 3, windows[x].weights, target, at, count: 3)
        }
      }
    }
    return RgbImage(checked: width, height, result)
  }

  private func resizedColumns(_ height: Int, _ interpolation: Interpolation) -> RgbImage {
    let windows = interpolation.windows(from: self.height, to: height)
    let stride = 3 * width
    let result = filled(stride * height) { source, target in
      for y in 0..<height {
        let start = stride * windows[y].first
        sum(source, start, step: stride, windows[y].weights, target, stride * y, count: stride)
      }
    }
    return RgbImage(checked: width, height, result)
  }

  private func filled(
    _ count: Int, _ fill: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>) -> Void
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      bytes.withUnsafeBufferPointer { source in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        fill(from, to)
      }
      initialized = count
    }
  }
}

/// `count` neighbouring bytes of the target, each the weighted sum of bytes `step` apart.
private func sum(
  _ source: UnsafePointer<UInt8>, _ start: Int, step: Int, _ weights: [Int32],
  _ target: UnsafeMutablePointer<UInt8>, _ at: Int, count: Int
) {
  weights.withUnsafeBufferPointer { weights in
    for index in 0..<count {
      var total: Int32 = 1 << Int32(precision - 1)  // rounds to nearest
      var from = start + index
      for weight in weights {
        total &+= Int32(source[from]) &* weight
        from += step
      }
      target[at + index] = UInt8(clamping: total >> Int32(precision))
    }
  }
}

extension Interpolation {
  fileprivate func windows(from inputSize: Int, to outputSize: Int) -> [Window] {
    let scale = Double(inputSize) / Double(outputSize)
    let widening = max(scale, 1)
    let reach = support * widening
    return (0..<outputSize).map { index in
      let centre = (Double(index) + 0.5) * scale
      let begin = max(0, Int(centre - reach + 0.5))
      let end = min(inputSize, Int(centre + reach + 0.5))
      let exact = (begin..<end).map { place in
        weight(abs((Double(place) - centre + 0.5) * (1 / widening)))
      }
      let total = exact.reduce(0, +)
      return Window(
        first: begin, weights: exact.map { fixedPoint(total != 0 ? $0 / total : $0) })
    }
  }
}

private func fixedPoint(_ weight: Double) -> Int32 {
  let scaled = weight * Double(1 << precision)
  return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
}
