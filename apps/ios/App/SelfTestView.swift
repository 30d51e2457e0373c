import EdgeformCore
import SwiftUI

/// Runs the golden inputs of every artifact and shows how near its logits are to the expected ones.
struct SelfTestView: View {
  let model: SelfTestModel

  var body: some View {
    NavigationStack {
      List {
        Section {
          Button("Test every artifact") { model.start() }
            .disabled(model.work.isRunning || model.artifacts.isEmpty)
          if model.work.isRunning {
            ProgressView("Testing")
            Button("Cancel") { model.work.cancel() }
          }
          if model.artifacts.isEmpty {
            Text("There is no artifact: put one into artifacts/ and build the app again.")
          }
          if case .failed(let problem) = model.work.state { ProblemView(problem: problem) }
        }
        ForEach(model.work.state.results) { result in SelfTestRow(result: result) }
      }
      .navigationTitle("Self-test")
    }
  }
}

struct SelfTestRow: View {
  let result: SelfTestResult

  var body: some View {
    VStack(alignment: .leading) {
      Label(
        result.passed ? "Passed" : "Failed",
        systemImage: result.passed ? "checkmark.circle.fill" : "xmark.octagon.fill"
      )
      .foregroundStyle(result.passed ? .green : .red)
      Text(result.artifact)
      switch result.outcome {
      case .broken(let problem): ProblemView(problem: problem)
      case .measured(let heads, let mark):
        ForEach(heads, id: \.name) { head in
          Text(figures(head, mark)).font(.footnote).foregroundStyle(.secondary)
        }
      }
    }
    .accessibilityElement(children: .combine)
  }

  private func figures(_ head: Agreement, _ mark: PassMark) -> String {
    let signal =
      "\(head.name): " + String(format: "%.1f dB, at least %.1f", head.sqnrDB, mark.sqnrDB)
    guard let classes = head.classes else { return signal }
    let same = String(format: "; same class %.2f, ", classes.top1)
    guard classes.isJudged(mark), let least = mark.top1 else {
      return signal + same
        + String(format: "not judged: one class alone has %.2f", classes.constant)
    }
    return signal + same + String(format: "at least %.2f", least)
  }
}
