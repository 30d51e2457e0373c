/// A model's preprocessing after decoding: resize, centre crop, normalization, NCHW.
public struct Preprocessing: Sendable {
  private let input: InputContract
  /// For each channel what each of the 256 values of a pixel becomes.
  private let values: [[Float]]

  public init(_ input: InputContract) {
    self.input = input
    values = (0..<3).map { channel in
      (0..<256).map { value in
        if input.kind == .image { return Float(value) }
        let share = Float(value) / 255
        guard input.normalizedByCaller else { return share }
        return (share - input.mean[channel]) / input.std[channel]
      }
    }
  }

  /// Resized so that the crop window is covered, then the window; or stretched to it.
  func resizedAndCropped(_ image: RgbImage) -> RgbImage {
    let resize = input.resize
    if resize.mode == .stretch {
      return image.resized(width: resize.width, height: resize.height, resize.interpolation)
    }
    let shorter = min(resize.height, resize.width)
    func covered(_ side: Int) -> Double {
      (Double(side * resize.size) / Double(shorter)).rounded(.toNearestOrEven)
    }
    let scale = max(
      covered(resize.height) / Double(image.height), covered(resize.width) / Double(image.width))
    func resized(_ side: Int, atLeast crop: Int) -> Int {
      max(crop, Int((Double(side) * scale).rounded(.toNearestOrEven)))
    }
    let width = resized(image.width, atLeast: resize.width)
    let height = resized(image.height, atLeast: resize.height)
    return image.resized(width: width, height: height, resize.interpolation).cropped(
      left: (width - resize.width) / 2, top: (height - resize.height) / 2,
      width: resize.width, height: resize.height)
  }

  /// The model's input with an image as every image of the batch. A model that takes pictures gets
  /// pixels of 0 to 255.
  public func prepared(_ image: RgbImage) -> [Float] {
    let bytes = resizedAndCropped(image).bytes
    var one = [Float]()
    one.reserveCapacity(bytes.count)
    for channel in 0..<3 {
      let table = values[channel]
      for index in stride(from: channel, to: bytes.count, by: 3) {
        one.append(table[Int(bytes[index])])
      }
    }
    return Array(repeatElement(one, count: input.shape[0]).joined())
  }
}
