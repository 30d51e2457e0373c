import Foundation
import SwiftUI
import UIKit

/// The system's camera, which gives one photograph as JPEG, or nil where none was taken.
struct CameraPicker: UIViewControllerRepresentable {
  let taken: (Data?) -> Void

  /// Whether there is a camera: a simulator has none.
  static var isAvailable: Bool { UIImagePickerController.isSourceTypeAvailable(.camera) }

  func makeCoordinator() -> Coordinator { Coordinator(taken) }

  func makeUIViewController(context: Context) -> UIImagePickerController {
    let picker = UIImagePickerController()
    picker.sourceType = .camera
    picker.delegate = context.coordinator
    return picker
  }

  func updateUIViewController(_ picker: UIImagePickerController, context: Context) {}

  @MainActor
  final class Coordinator: NSObject, UIImagePickerControllerDelegate,
    UINavigationControllerDelegate
  {
    private let taken: (Data?) -> Void

    init(_ taken: @escaping (Data?) -> Void) { self.taken = taken }

    func imagePickerController(
      _ picker: UIImagePickerController,
      didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any]
    ) {
      let photo = info[.originalImage] as? UIImage
      taken(photo?.jpegData(compressionQuality: 0.95))  // with its orientation
    }

    func imagePickerControllerDidCancel(_ picker: UIImagePickerController) { taken(nil) }
  }
}
