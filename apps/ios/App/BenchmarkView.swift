import EdgeformCore
import Foundation
import SwiftUI

/// Times an artifact, and shares the report with `edgeform profile --import`.
struct BenchmarkView: View {
  @Bindable var model: BenchmarkModel

  var body: some View {
    NavigationStack {
      Form {
        Section {
          ArtifactPicker(names: model.artifacts, chosen: $model.artifact)
          Picker("Core ML may use", selection: $model.units) {
            ForEach(ComputeUnits.allCases, id: \.self) { units in Text(units.title).tag(units) }
          }
          Stepper(
            "\(model.iterations) iterations", value: $model.iterations,
            in: 10...BenchmarkModel.mostIterations, step: 10)
          Button("Start") { model.start() }
            .disabled(model.artifact == nil || model.work.isRunning)
        }
        .disabled(model.work.isRunning)
        Section { result }
      }
      .navigationTitle("Benchmark")
    }
  }

  @ViewBuilder private var result: some View {
    switch model.work.state {
    case .idle: Text("Close other apps, and let the phone cool before you start.")
    case .cancelled: Text("Nothing was measured.")
    case .failed(let problem): ProblemView(problem: problem)
    case .running(let done, let all):
      ProgressView("Run \(done) of \(all)", value: Double(done), total: Double(all))
      Button("Cancel", role: .cancel) { model.work.cancel() }
    case .done(let result): BenchmarkTable(result: result)
    }
  }
}

/// The percentiles of each phase, what the phone was like, and the report to share.
struct BenchmarkTable: View {
  let result: BenchmarkResult

  var body: some View {
    let measured = result.report.measurements
    if measured.interrupted { Text("Cut short after \(measured.total.count) iterations.") }
    Text(
      String(
        format: "Loaded in %.1f ms, first inference %.1f ms", measured.loadMS, measured.firstMS))
    phase("Preprocess", measured.preprocess)
    phase("Execute", measured.execute)
    phase("Postprocess", measured.postprocess)
    phase("Total", measured.total)
    if let plan = result.report.computePlan {
      Text(
        "Operators: \(plan.count(on: .neuralEngine)) Neural Engine, \(plan.count(on: .gpu)) GPU, "
          + "\(plan.count(on: .cpu)) CPU")
    }
    if let thermal = result.report.thermal {
      Text("Thermal state \(thermal.start) → \(thermal.end)")
    }
    Text("Battery \(charge(result.batteryBefore)) → \(charge(result.batteryAfter))")
    if result.wasInLowPowerMode { Text("Low Power Mode was on: the times are no phone's usual.") }
    if let json = try? result.report.json() {
      ShareLink(item: String(decoding: json, as: UTF8.self), subject: Text("latency.json"))
    }
  }

  @ViewBuilder private func phase(_ name: String, _ samples: [Double]) -> some View {
    if let times = Statistics(of: samples) {
      VStack(alignment: .leading) {
        Text(name)
        Text(
          String(
            format: "p50 %.2f ms, p90 %.2f ms, p99 %.2f ms", times.p50, times.p90, times.p99)
        ).monospacedDigit()
      }
      .accessibilityElement(children: .combine)
    }
  }

  private func charge(_ percent: Int?) -> String { percent.map { "\($0) %" } ?? "unknown" }
}

extension ComputeUnits {
  var title: String {
    switch self {
    case .cpu: "CPU"
    case .cpuAndGPU: "CPU and GPU"
    case .cpuAndNeuralEngine: "CPU and Neural Engine"
    case .all: "All units"
    }
  }
}
