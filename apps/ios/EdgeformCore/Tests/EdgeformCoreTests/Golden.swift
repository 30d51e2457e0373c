import Foundation
import XCTest

@testable import EdgeformCore

/// Files that the Python side wrote with its own code, just before these tests.
enum Golden {
  static let folder = URL(
    fileURLWithPath: ProcessInfo.processInfo.environment["EDGEFORM_GOLDEN"]
      ?? "make ios-test names the golden files in EDGEFORM_GOLDEN")

  static var artifact: URL { folder.appendingPathComponent("artifact") }

  /// Where tests leave what the Python side reads.
  static var written: URL {
    URL(
      fileURLWithPath: ProcessInfo.processInfo.environment["EDGEFORM_WRITTEN"]
        ?? "make ios-test names a folder in EDGEFORM_WRITTEN")
  }

  static func data(_ path: String) throws -> Data {
    try Data(contentsOf: folder.appendingPathComponent(path))
  }

  static func list<Case: Decodable>(_ name: String) throws -> [Case] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode([Case].self, from: data("\(name).json"))
  }

  /// A fresh copy of the artifact, to damage; removed when the test ends.
  static func copy(_ test: XCTestCase) throws -> URL {
    let parent = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
    test.addTeardownBlock { try FileManager.default.removeItem(at: parent) }
    let folder = parent.appendingPathComponent("artifact")
    try FileManager.default.copyItem(at: artifact, to: folder)
    return folder
  }
}

/// An image file of three bytes a pixel beside its size.
struct StoredImage: Decodable {
  let path: String
  let width: Int
  let height: Int

  func read() throws -> RgbImage {
    try RgbImage(width: width, height: height, bytes: Array(Golden.data(path)))
  }
}

/// What an action throws, as text.
func refusal(_ action: () throws -> Void) -> String {
  do {
    try action()
    return "nothing was refused"
  } catch let problem as Problem {
    return problem.description
  } catch {
    return "no Problem: \(error)"
  }
}
