#include "artifact.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "sha256.h"

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr int kNewestMajor = 1, kLargestSide = 16384, kLargestCount = 1 << 20;
constexpr size_t kMostNumbers = 3u << 24;  // of an input or an output
constexpr uint64_t kLargestManifest = 16u << 20, kLargestFile = INT_MAX;

[[noreturn]] void damaged(const std::string& why) {
  throw InputError("The manifest is damaged: " + why + ".", "Build the artifact again.");
}

// A whole number from 1 to `most`. JSON's own conversion takes 1.5 for 1 and wraps what is too
// large.
int count(const Json& json, int most) {
  const int64_t value = json.is_number_integer() ? json.get<int64_t>() : 0;
  if (value < 1 || value > most) damaged("a size is not from 1 to " + std::to_string(most));
  return static_cast<int>(value);
}

template <size_t N>
std::array<int, N> counts(const Json& json, int most) {
  if (json.size() != N) damaged("a list has not " + std::to_string(N) + " numbers");
  std::array<int, N> values;
  for (size_t i = 0; i < N; ++i) values[i] = count(json.at(i), most);
  return values;
}

bool is_first(const Json& json, const char* first, const char* second) {
  if (json != first && json != second)
    damaged(std::string("a field is neither ") + first + " nor " + second);
  return json == first;
}

void check_version(const std::string& version) {
  int major = -1;
  std::from_chars(version.data(), version.data() + version.size(), major);
  if (major < 0) damaged("its schema_version is '" + version + "'");
  if (major <= kNewestMajor) return;
  throw InputError("The manifest's schema version " + version + " is newer than this runner.",
                   "Use a newer runner.");
}

void read_input(const Json& input, Artifact& artifact) {
  for (const auto& [key, known] : {std::pair{"dtype", "float32"},
                                   {"layout", "NCHW"},
                                   {"color_order", "RGB"},
                                   {"normalization", "caller"}}) {
    if (input.at(key) != known) damaged(std::string("this runner wants the ") + key + " " + known);
  }
  artifact.shape = counts<4>(input.at("shape"), kLargestSide);
  const auto crop = counts<2>(input.at("resize").at("crop"), kLargestSide);
  if (artifact.shape != std::array{artifact.shape[0], 3, crop[0], crop[1]}) {
    damaged("the input's shape is not that of the crop");
  }
  artifact.resize = count(input.at("resize").at("size"), kLargestSide);
  artifact.bicubic = is_first(input.at("resize").at("interpolation"), "bicubic", "bilinear");
  for (size_t c = 0; c < 3; ++c) {
    artifact.mean[c] = static_cast<float>(input.at("mean").at(c).get<double>());
    artifact.std[c] = static_cast<float>(input.at("std").at(c).get<double>());
    if (!(std::fabs(artifact.std[c]) > 0)) damaged("a standard deviation is zero");
  }
}

void read_files(const Json& files, Artifact& artifact) {
  for (const Json& entry : files) {
    const std::string path = entry.at("path");
    artifact.files[path] = {entry.at("bytes"), entry.at("sha256")};
    if (!entry.at("deploy").get<bool>() || path == "labels.txt") continue;
    if (!artifact.model_path.empty() || fs::path(path).extension() != ".pte") {
      throw InputError("The artifact is for " + artifact.backend + ".",
                       "This runner executes one .pte file.");
    }
    artifact.model_path = path;
  }
  if (artifact.model_path.empty()) damaged("it deploys no model");
}

void read(const Json& json, Artifact& artifact) {
  check_version(json.at("schema_version"));
  artifact.name = json.at("name");
  artifact.backend = json.at("target").at("name");
  read_input(json.at("input"), artifact);
  const Json& output = json.at("output");
  if (output.at("kind") != "logits") damaged("this runner wants logits");
  artifact.heads = is_first(output.at("heads"), "both", "mean") ? 2 : 1;
  const auto [rows, classes] = counts<2>(output.at("shape"), kLargestCount);
  if (rows != artifact.shape[0]) damaged("the output has not a row for each image");
  artifact.classes = classes;
  if (std::max(artifact.input_size(), artifact.output_size()) > kMostNumbers)
    damaged("it is too large");
  artifact.golden_samples = count(json.at("golden").at("samples"), kLargestCount);
  artifact.least_sqnr_db = json.at("selftest").at("sqnr_db").get<double>();
  artifact.least_top1 = json.at("selftest").at("top1").get<double>();
  read_files(json.at("files"), artifact);
}

// A path of the manifest, which must stay below the folder when its links are followed.
fs::path inside(const fs::path& folder, const fs::path& relative) {
  const fs::path resolved = fs::weakly_canonical(folder / relative);
  if (std::find(relative.begin(), relative.end(), "..") != relative.end() ||
      relative.is_absolute() ||
      std::mismatch(folder.begin(), folder.end(), resolved.begin(), resolved.end()).first !=
          folder.end()) {
    throw InputError("The artifact names " + relative.string() + ", which leads outside it.",
                     "Do not use this artifact: it was tampered with.");
  }
  return resolved;
}

}  // namespace

Bytes read_file(const fs::path& path, uint64_t most) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path) > most) {  // a pipe would never end
    throw InputError(path.string() + " is no file, or too large.", "Check the path.");
  }
  std::ifstream file(path, std::ios::binary);
  Bytes bytes(fs::file_size(path));
  if (!file.read(reinterpret_cast<char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()))) {
    throw InputError(path.string() + " cannot be read.", "Check its rights.");
  }
  return bytes;
}

Artifact::Artifact(const fs::path& path) {
  std::error_code error;
  folder = fs::canonical(path, error);
  if (error)
    throw InputError("There is no artifact folder " + path.string() + ".", "Check the path.");
  try {
    read(Json::parse(read_file(inside(folder, "manifest.json"), kLargestManifest)), *this);
  } catch (const Json::exception& json) {
    damaged(json.what());
  }
}

size_t Artifact::input_size() const { return size_t{3} * shape[0] * shape[2] * shape[3]; }
size_t Artifact::output_size() const { return size_t{1} * heads * shape[0] * classes; }

Bytes Artifact::file(const std::string& path) const {
  const auto entry = files.find(path);
  if (entry == files.end()) damaged("it does not list " + path);
  Bytes bytes = read_file(inside(folder, path), kLargestFile);
  if (bytes.size() != entry->second.bytes || sha256(bytes) != entry->second.sha256) {
    throw InputError(path + " is not the file that was built: its digest differs.",
                     "Copy or build the artifact again.");
  }
  return bytes;
}

std::vector<std::string> Artifact::labels() const {
  if (files.count("labels.txt") == 0) return {};
  const Bytes bytes = file("labels.txt");
  std::istringstream text(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  if (lines.size() != static_cast<size_t>(classes)) damaged("labels.txt has not one line a class");
  return lines;
}

Bytes Artifact::golden_image() const {
  return file(shape[0] == 1 ? "golden/image_0.png" : "golden/image_0_0.png");
}

Floats Artifact::golden(const std::string& program, int sample, size_t size) const {
  const std::string path = "golden/" + program + "_" + std::to_string(sample) + ".f32";
  const Bytes bytes = file(path);
  if (bytes.size() != size * sizeof(float))
    damaged(path + " has not " + std::to_string(size) + " numbers");
  Floats values(size);  // little-endian, as every processor that this runs on
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}
