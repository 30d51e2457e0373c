import Foundation
import XCTest

@testable import EdgeformCore

private struct Prepared: Decodable {
  let name: String
  let manifest: String
  let source: StoredImage
  let cropped: StoredImage
  let input: String
}

private struct Turned: Decodable {
  let orientation: Int
  let source: StoredImage
  let upright: StoredImage
}

final class PreprocessingTests: XCTestCase {
  func testPreprocessingIsEqualToThePythonSideToTheByte() throws {
    let cases: [Prepared] = try Golden.list("preprocessing")
    XCTAssertEqual(cases.count, 48)
    for prepared in cases {
      let preprocessing = Preprocessing(try Manifest(parsing: Data(prepared.manifest.utf8)).input)
      let image = try prepared.source.read()
      XCTAssertEqual(
        preprocessing.resizedAndCropped(image), try prepared.cropped.read(), prepared.name)
      XCTAssertEqual(
        writeFloats(preprocessing.prepared(image)), try Golden.data(prepared.input), prepared.name)
    }
  }

  func testAModelThatTakesPicturesGetsPixels() throws {
    let text = String(decoding: try Golden.data("artifact/manifest.json"), as: UTF8.self)
      .replacingOccurrences(of: "\"kind\": \"tensor\"", with: "\"kind\": \"image\"")
      .replacingOccurrences(
        of: "\"normalization\": \"caller\"", with: "\"normalization\": \"model\"")
    let preprocessing = Preprocessing(try Manifest(parsing: Data(text.utf8)).input)
    let values = (0..<3 * 64 * 64).map { UInt8(truncatingIfNeeded: $0) }
    let input = preprocessing.prepared(try RgbImage(width: 64, height: 64, bytes: values))
    for channel in 0..<3 {
      for pixel in 0..<64 * 64 {
        XCTAssertEqual(input[channel * 64 * 64 + pixel], Float(values[3 * pixel + channel]))
      }
    }
  }

  func testEveryOrientationIsTurnedUpright() throws {
    let cases: [Turned] = try Golden.list("orientations")
    XCTAssertEqual(cases.count, 8)
    let source = try cases[0].source.read()
    for turned in cases {
      XCTAssertEqual(
        source.upright(orientation: turned.orientation), try turned.upright.read(),
        "\(turned.orientation)")
    }
    XCTAssertEqual(source.upright(orientation: 9), source)
  }
}
