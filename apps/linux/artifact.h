// An artifact folder as apps/README.md describes it: read by its manifest, and only through it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

// Bad input: what is wrong, and what to do about it. The program ends with 2.
struct InputError : std::runtime_error {
  InputError(const std::string& what, const std::string& remedy)
      : std::runtime_error(what), remedy(remedy) {}
  std::string remedy;
};

using Bytes = std::vector<uint8_t>;

struct FileEntry {
  std::string path, sha256;
  uint64_t bytes;
  bool deploy;
};

// The fields of manifest.json that running a model needs.
struct Manifest {
  std::string name, target;
  std::array<int, 4> shape;  // batch, 3, height, width
  int resize, crop_height, crop_width;
  bool bicubic, normalized_by_caller;
  std::array<float, 3> mean, std;
  int rows, classes, heads;  // the output: heads x rows x classes
  int golden_samples;
  double selftest_sqnr_db, selftest_top1;
  std::vector<FileEntry> files;

  size_t input_size() const;   // floats of one input
  size_t output_size() const;  // floats of one output, all heads
};

class Artifact {
 public:
  // Reads and checks manifest.json. Throws InputError.
  explicit Artifact(const std::filesystem::path& folder);

  const Manifest& manifest() const { return manifest_; }
  // The one model file that is deployed: its bytes are those whose digest was checked.
  Bytes model() const;
  const std::string& model_sha256() const { return model_entry().sha256; }
  std::vector<std::string> labels() const;  // empty where they are not known
  // golden/<program>_<sample>.f32, `size` floats.
  std::vector<float> golden(const std::string& program, int sample, size_t size) const;
  Bytes golden_image() const;  // the first one
  // A listed file, after its size and digest were checked. Throws InputError.
  Bytes file(const std::string& path) const;

 private:
  const FileEntry& model_entry() const;

  std::filesystem::path folder_;
  Manifest manifest_;
};

// A whole file. Throws InputError where it cannot be read or has more than `most` bytes.
Bytes read_file(const std::filesystem::path& path, uint64_t most);
