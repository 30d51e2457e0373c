// An artifact folder, read only through its manifest (apps/README.md says what each field means).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;
using Floats = std::vector<float>;

// Bad input: what is wrong and, on a second line, what to do about it.
struct InputError : std::runtime_error {
  InputError(const std::string& what, const std::string& remedy)
      : std::runtime_error(what + "\n" + remedy) {}
};

// The SHA-256 of bytes in lower-case hexadecimal. It is declared here and defined by the app, which
// takes its platform's (CommonCrypto, BoringSSL) or sha256.cpp from the folder above.
std::string sha256(const Bytes& bytes);

// A whole file of at most `most` bytes. Throws InputError.
Bytes read_file(const std::filesystem::path& path, uint64_t most);

struct Artifact {
  // Reads and checks manifest.json. This and every other function throws InputError.
  explicit Artifact(const std::filesystem::path& folder);

  // A listed file, whole, after its size and digest were checked: use these bytes and do not open
  // the file a second time.
  Bytes file(const std::string& path) const;
  std::vector<std::string> labels() const;  // one a class; none where they are not known

  size_t input_size() const;   // numbers of one input
  size_t output_size() const;  // numbers of one output: heads x batch x classes, or all tensors'

  std::filesystem::path folder;  // absolute, links followed
  std::string name, backend, model_path;
  std::array<int, 4> shape;  // of the input: batch, 3, height, width
  int resize;                // the shorter side before the crop to height x width
  bool bicubic, stretch;     // stretch: both sides to height x width, nothing is cut
  std::array<float, 3> mean, std;
  int classes = 0, heads = 0, golden_samples;  // no classes where there are tensors
  struct Tensor {
    std::string name;
    size_t count;  // of its numbers
  };
  std::vector<Tensor> tensors;  // outputs that are no logits, in the model's order
  double least_sqnr_db, least_top1;  // the self-test's pass mark
  struct Entry {
    uint64_t bytes;
    std::string sha256;
  };
  std::map<std::string, Entry> files;  // by their paths in the folder
};
