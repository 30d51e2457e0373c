import EdgeformCore
import Foundation
import XCTest

@testable import App

/// Decoding, through a stand-in of UIImage: which corner goes where at each orientation.
final class PhotoTests: XCTestCase {
  /// Two pixels over one: red, green; blue. A picture's data as the stand-in reads it.
  private func photo(_ orientation: UInt8) -> Data {
    let pixels: [UInt8] = [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 9, 9, 9, 128]
    return Data([orientation, 2] + pixels)
  }

  func testOrientationsAreTurnedUpright() throws {
    let (red, green, blue, grey): ([UInt8], [UInt8], [UInt8], [UInt8]) =
      ([255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9])
    // in UIImage.Orientation's order: up, down, left, right, and the same mirrored
    let wanted = [
      [red, green, blue, grey], [grey, blue, green, red], [green, grey, red, blue],
      [blue, red, grey, green], [green, red, grey, blue], [blue, grey, red, green],
      [red, blue, green, grey], [grey, green, blue, red],
    ]
    for (orientation, corners) in wanted.enumerated() {
      let image = try PhotoDecoder().decode(photo(UInt8(orientation)))
      XCTAssertEqual([image.width, image.height], [2, 2])
      XCTAssertEqual(image.bytes, corners.flatMap { $0 }, "\(orientation)")
    }
  }

  func testWhatIsNoImageOrTooLongIsRefused() {
    for data in [Data(), Data("no image".utf8), Data([0, 1] + [UInt8](repeating: 0, count: 404))] {
      XCTAssertThrowsError(try PhotoDecoder().decode(data)) { error in
        XCTAssertTrue(Problem(error).what.contains("The image cannot be used"), "\(error)")
      }
    }
    XCTAssertThrowsError(try RgbImage.check(width: 7100, height: 7100))
    XCTAssertThrowsError(try RgbImage.check(width: .max, height: 2))
    XCTAssertNoThrow(try RgbImage.check(width: 4032, height: 3024))
  }

  func testThePhoneNamesItself() async throws {
    let phone = ThisPhone()
    let device = await phone.device
    XCTAssertEqual(device.os, "iOS 17.5")
    XCTAssertTrue(device.name.hasPrefix("Apple ") && device.name.count > 8, device.name)
    XCTAssertEqual(device.isa, ["neon", "dotprod"])
    let battery = await phone.battery
    XCTAssertEqual(battery, 85)
    XCTAssertGreaterThan(try XCTUnwrap(phone.peakMemoryBytes), 1000)
  }
}
