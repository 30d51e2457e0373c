import EdgeformCore
import Foundation
import PhotosUI
import SwiftUI
import UIKit

/// A photograph and the five classes that it most probably is.
struct ClassifyView: View {
  @Bindable var model: ClassifyModel
  @State private var picked: PhotosPickerItem?
  @State private var showsCamera = false

  var body: some View {
    NavigationStack {
      Form {
        Section {
          ArtifactPicker(names: model.artifacts, chosen: $model.artifact)
          PhotosPicker("Choose a photo", selection: $picked, matching: .images)
            .disabled(model.artifact == nil || model.work.isRunning)
          if CameraPicker.isAvailable {
            Button("Take a photo") { showsCamera = true }
              .disabled(model.artifact == nil || model.work.isRunning)
          }
          Button("Use the sample image") { model.classifySample() }
            .disabled(model.artifact == nil || model.work.isRunning)
        }
        Section { photo }
        Section { result }
      }
      .navigationTitle("Classify")
    }
    .onChange(of: picked) { _, item in
      guard let item else { return }
      model.classify { try await item.loadTransferable(type: Data.self) }
      picked = nil
    }
    .fullScreenCover(isPresented: $showsCamera) {
      CameraPicker { photo in
        showsCamera = false
        if let photo { model.classify { photo } }
      }
      .ignoresSafeArea()
    }
  }

  @ViewBuilder private var photo: some View {
    if let encoded = model.photo, let image = UIImage(data: encoded) {
      Image(uiImage: image)
        .resizable()
        .scaledToFit()
        .accessibilityLabel("The photograph")
    }
  }

  @ViewBuilder private var result: some View {
    switch model.work.state {
    case .idle: Text("Choose a photo to see what it shows.")
    case .working: ProgressView("Classifying")
    case .failed(let problem): ProblemView(problem: problem)
    case .done(let found):
      ForEach(found.answers) { answer in AnswerRow(answer: answer) }
      Text(
        String(
          format: "Preprocessing %.1f ms, model %.1f ms", found.preprocessMS, found.executeMS))
    }
  }
}

/// A class, its share as a bar and as a number.
struct AnswerRow: View {
  let answer: Answer

  var body: some View {
    VStack(alignment: .leading) {
      HStack {
        Text(answer.label)
        Spacer()
        Text(String(format: "%.1f %%", 100 * answer.probability)).monospacedDigit()
      }
      ProgressView(value: answer.probability)
    }
    .accessibilityElement(children: .combine)
  }
}
