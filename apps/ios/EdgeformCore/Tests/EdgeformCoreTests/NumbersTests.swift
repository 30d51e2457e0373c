import Foundation
import XCTest

@testable import EdgeformCore

private struct Summary: Decodable {
  let samples: [Double]
  let p50, p90, p99, mean, min: Double
}

private struct Top: Decodable {
  let batch, heads, classes: Int
  let logits: [Float]
  let indices: [Int]
  let probabilities: [Double]
}

private struct Compared: Decodable {
  struct Mark: Decodable {
    let sqnrDb, top1: Double
  }

  struct Found: Decodable {
    let sqnrDb, top1, constantAgreement: Double
    let passes: Bool
  }

  let heads, batch, classes: Int
  let expected: [[Float]]
  let actual: [[Float?]]
  let mark: Mark
  let found: [Found]?
  let refused: String?

  var output: OutputContract { logits(batch: batch, classes: classes, heads: heads) }
}

private struct ComparedTensors: Decodable {
  struct Tensor: Decodable {
    let name: String
    let shape: [Int]
  }

  struct Found: Decodable {
    let sqnrDb: Double
    let passes: Bool
  }

  let tensors: [Tensor]
  let expected: [[Float]]
  let actual: [[Float?]]
  let mark: [String: Double]
  let found: [Found]?
  let refused: String?

  var output: OutputContract {
    .tensors(tensors.map { TensorContract(name: $0.name, shape: $0.shape) })
  }
}

private func logits(batch: Int, classes: Int, heads: Int) -> OutputContract {
  .logits(
    LogitsContract(name: "logits", kind: .logits, batch: batch, classes: classes, heads: heads))
}

final class NumbersTests: XCTestCase {
  func testStatisticsAreNumpys() throws {
    let cases: [Summary] = try Golden.list("statistics")
    XCTAssertEqual(cases.count, 50)
    for summary in cases {
      let found = try XCTUnwrap(Statistics(of: summary.samples))
      for (one, other) in [
        (found.p50, summary.p50), (found.p90, summary.p90), (found.p99, summary.p99),
        (found.mean, summary.mean), (found.min, summary.min),
      ] { XCTAssertEqual(one, other, accuracy: 1e-12 * other) }
    }
    XCTAssertNil(Statistics(of: []))
  }

  func testTopClassesOfTheFirstImage() throws {
    let cases: [Top] = try Golden.list("top_classes")
    for top in cases {
      let output = LogitsContract(
        name: "logits", kind: .logits, batch: top.batch, classes: top.classes, heads: top.heads)
      let found = topClasses(top.logits, output)
      XCTAssertEqual(found.map(\.index), top.indices)
      for (prediction, expected) in zip(found, top.probabilities) {
        XCTAssertEqual(prediction.probability, expected, accuracy: 1e-6)
      }
    }
    let two = LogitsContract(name: "logits", kind: .logits, batch: 1, classes: 2, heads: 1)
    XCTAssertEqual(topClasses([1000, -1000], two).map(\.probability), [1, 0])
  }

  func testTheSelfTestFindsThePythonSidesFigures() throws {
    let cases: [Compared] = try Golden.list("agreement")
    XCTAssertGreaterThan(cases.count, 20)
    XCTAssertGreaterThan(cases.count { $0.refused != nil }, 2)
    for compared in cases {
      let actual = compared.actual.map { $0.map { $0 ?? .nan } }
      func judged() throws -> [Agreement] {
        try compare(expected: compared.expected, actual: actual, compared.output)
      }
      if let refused = compared.refused {
        XCTAssertTrue(refusal { _ = try judged() }.contains(refused))
        continue
      }
      let mark = PassMark(sqnrDB: compared.mark.sqnrDb, top1: compared.mark.top1)
      let (found, expected) = (try judged(), try XCTUnwrap(compared.found))
      XCTAssertEqual(found.count, expected.count)
      for (one, other) in zip(found, expected) {
        XCTAssertEqual(one.sqnrDB, other.sqnrDb, accuracy: 1e-6)
        XCTAssertEqual(one.classes?.top1, other.top1)
        XCTAssertEqual(one.classes?.constant, other.constantAgreement)
        XCTAssertEqual(one.passes(mark), other.passes)
      }
    }
  }

  func testEachTensorIsJudgedOnItsOwnWithoutClasses() throws {
    let cases: [ComparedTensors] = try Golden.list("tensors_agreement")
    XCTAssertGreaterThan(cases.count, 5)
    for compared in cases {
      let actual = compared.actual.map { $0.map { $0 ?? .nan } }
      func judged() throws -> [Agreement] {
        try compare(expected: compared.expected, actual: actual, compared.output)
      }
      if let refused = compared.refused {
        XCTAssertTrue(refusal { _ = try judged() }.contains(refused))
        continue
      }
      let mark = PassMark(sqnrDB: try XCTUnwrap(compared.mark["sqnr_db"]), top1: nil)
      let (found, expected) = (try judged(), try XCTUnwrap(compared.found))
      XCTAssertEqual(found.map(\.name), compared.tensors.map(\.name))
      for (one, other) in zip(found, expected) {
        XCTAssertEqual(one.sqnrDB, other.sqnrDb, accuracy: 1e-6)
        XCTAssertNil(one.classes)
        XCTAssertEqual(one.passes(mark), other.passes)
      }
    }
  }

  func testOutputsOfAnotherSizeAreRefused() {
    let output = logits(batch: 1, classes: 2, heads: 1)
    let two: [[Float]] = [[1, 2], [3, 4]]
    for other in [[], [two[0]], [[1], [2]], [[], []]] as [[[Float]]] {
      XCTAssertTrue(
        refusal { _ = try compare(expected: two, actual: other, output) }
          .contains("another size"))
    }
  }
}
