#include "artifact.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

#include "sha256.h"

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr int kNewestMajor = 1;
constexpr uint64_t kLargestManifest = 16u << 20, kLargestFile = uint64_t{1} << 31;
constexpr int kLargestSide = 16384, kLargestCount = 1 << 20;
constexpr size_t kLargestInput = 3u << 24;  // floats, over the whole batch
const std::string kBuildAgain = "Build the artifact again.";

[[noreturn]] void damaged(const std::string& why) {
  throw InputError("The manifest is damaged: " + why + ".", kBuildAgain);
}

const Json& at(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || found == json.end()) damaged(std::string("it has no ") + key);
  return *found;
}

// JSON's own conversions would take 1.5 for 1 and wrap a large number around.
int integer(const Json& json, int least, int most) {
  if (!json.is_number_integer()) damaged(std::string("a whole number is ") + json.type_name());
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(most)) {
    damaged(json.dump() + " is too large");
  }
  const auto value = json.get<int64_t>();
  if (value < least || value > most) damaged(json.dump() + " is out of range");
  return static_cast<int>(value);
}

double number(const Json& json) {
  if (!json.is_number()) damaged(std::string("a number is ") + json.type_name());
  const auto value = json.get<double>();
  if (!std::isfinite(value)) damaged("a number is not finite");
  return value;
}

std::string text(const Json& json) {
  if (!json.is_string()) damaged(std::string("a text is ") + json.type_name());
  return json.get<std::string>();
}

bool choice(const Json& json, const std::string& yes, const std::string& no) {
  const std::string value = text(json);
  if (value != yes && value != no) damaged("'" + value + "' is neither " + yes + " nor " + no);
  return value == yes;
}

const Json& list(const Json& json, size_t size) {
  if (!json.is_array() || json.size() != size) damaged("a list has not " + std::to_string(size) + " items");
  return json;
}

std::array<float, 3> colors(const Json& json) {
  std::array<float, 3> values;
  for (size_t i = 0; i < 3; ++i) values[i] = static_cast<float>(number(list(json, 3)[i]));
  return values;
}

void check_version(const Json& json) {
  const std::string version = text(at(json, "schema_version"));
  size_t digits = 0;
  while (digits < version.size() && std::isdigit(static_cast<unsigned char>(version[digits]))) ++digits;
  if (digits == 0 || digits > 6) damaged("its schema_version is '" + version + "'");
  if (std::stoi(version) > kNewestMajor) {
    throw InputError("The manifest has schema version " + version + "; this program reads up to " +
                         std::to_string(kNewestMajor) + ".",
                     "Use a newer runner.");
  }
}

std::vector<FileEntry> entries(const Json& json) {
  if (!json.is_array()) damaged("files is no list");
  std::vector<FileEntry> files;
  for (const Json& item : json) {
    const Json& bytes = at(item, "bytes");
    if (!bytes.is_number_unsigned()) damaged("a size is no whole number");
    if (!at(item, "deploy").is_boolean()) damaged("deploy is neither true nor false");
    files.push_back({text(at(item, "path")), text(at(item, "sha256")), bytes.get<uint64_t>(),
                     at(item, "deploy").get<bool>()});
  }
  return files;
}

Manifest parse(const Json& json) {
  check_version(json);
  Manifest m;
  m.name = text(at(json, "name"));
  m.target = text(at(at(json, "target"), "name"));
  const Json &input = at(json, "input"), &output = at(json, "output"), &resize = at(input, "resize");
  for (size_t i = 0; i < 4; ++i) m.shape[i] = integer(list(at(input, "shape"), 4)[i], 1, kLargestSide);
  m.resize = integer(at(resize, "size"), 1, kLargestSide);
  m.crop_height = integer(list(at(resize, "crop"), 2)[0], 1, kLargestSide);
  m.crop_width = integer(list(at(resize, "crop"), 2)[1], 1, kLargestSide);
  m.bicubic = choice(at(resize, "interpolation"), "bicubic", "bilinear");
  m.normalized_by_caller = choice(at(input, "normalization"), "caller", "model");
  m.mean = colors(at(input, "mean"));
  m.std = colors(at(input, "std"));
  m.rows = integer(list(at(output, "shape"), 2)[0], 1, kLargestSide);
  m.classes = integer(list(at(output, "shape"), 2)[1], 1, kLargestCount);
  m.heads = choice(at(output, "heads"), "both", "mean") ? 2 : 1;
  m.golden_samples = integer(at(at(json, "golden"), "samples"), 1, kLargestCount);
  m.selftest_sqnr_db = number(at(at(json, "selftest"), "sqnr_db"));
  m.selftest_top1 = number(at(at(json, "selftest"), "top1"));
  m.files = entries(at(json, "files"));

  if (text(at(input, "dtype")) != "float32" || text(at(input, "layout")) != "NCHW" ||
      text(at(input, "color_order")) != "RGB" || text(at(output, "kind")) != "logits") {
    throw InputError("This runner wants float32 NCHW RGB input and logits.", "Use another runner.");
  }
  if (m.shape[1] != 3 || m.shape[2] != m.crop_height || m.shape[3] != m.crop_width) {
    damaged("the input's shape is not that of the crop");
  }
  if (m.rows != m.shape[0]) damaged("the output has not a row for each image");
  if (m.input_size() > kLargestInput || m.output_size() > kLargestInput) damaged("it is too large");
  for (const float deviation : m.std) {
    if (!(std::fabs(deviation) > 0)) damaged("a standard deviation is zero");
  }
  return m;
}

// A path of the manifest below the folder, with every link followed.
fs::path inside(const fs::path& folder, const std::string& relative) {
  const fs::path pure(relative);
  bool leaves = relative.empty() || pure.is_absolute() || relative.find('\\') != std::string::npos ||
                relative.find('\0') != std::string::npos ||
                std::find(pure.begin(), pure.end(), "..") != pure.end();
  fs::path resolved;
  if (!leaves) {
    std::error_code error;
    const fs::path root = fs::canonical(folder, error);
    resolved = error ? fs::path() : fs::weakly_canonical(root / pure, error);
    const auto [end, ignored] = std::mismatch(root.begin(), root.end(), resolved.begin(), resolved.end());
    leaves = error || end != root.end();
  }
  if (leaves) {
    throw InputError("The artifact names '" + relative + "', which leads outside it.",
                     "Do not use this artifact: it was tampered with.");
  }
  return resolved;
}

}  // namespace

size_t Manifest::input_size() const {
  return size_t{3} * static_cast<size_t>(shape[0]) * static_cast<size_t>(shape[2]) *
         static_cast<size_t>(shape[3]);
}

size_t Manifest::output_size() const {
  return static_cast<size_t>(heads) * static_cast<size_t>(rows) * static_cast<size_t>(classes);
}

Bytes read_file(const fs::path& path, uint64_t most) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    throw InputError("There is no file " + path.string() + ".", "Check the path.");
  }
  const uint64_t size = fs::file_size(path, error);
  if (error || size > most) {
    throw InputError(path.string() + " is too large.", "Check the path.");
  }
  Bytes bytes(size);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    throw InputError(path.string() + " cannot be read.", "Check its rights.");
  }
  return bytes;
}

Artifact::Artifact(const fs::path& folder) : folder_(folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw InputError("There is no artifact folder " + folder.string() + ".", "Check the path.");
  }
  const Bytes bytes = read_file(inside(folder, "manifest.json"), kLargestManifest);
  const Json json = Json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) damaged("it is no JSON");
  manifest_ = parse(json);
}

Bytes Artifact::file(const std::string& path) const {
  for (const FileEntry& entry : manifest_.files) {
    if (entry.path != path) continue;
    Bytes bytes = read_file(inside(folder_, path), kLargestFile);
    if (bytes.size() != entry.bytes || sha256(bytes) != entry.sha256) {
      throw InputError(path + " is not the file that was built: its digest differs.",
                       "Copy or build the artifact again.");
    }
    return bytes;
  }
  throw InputError("The manifest does not list " + path + ".", kBuildAgain);
}

const FileEntry& Artifact::model_entry() const {
  const FileEntry* found = nullptr;
  for (const FileEntry& entry : manifest_.files) {
    if (!entry.deploy || entry.path == "labels.txt") continue;
    if (found != nullptr || fs::path(entry.path).extension() != ".pte") {
      throw InputError("The artifact is for the target " + manifest_.target + ".",
                       "This runner executes one .pte file.");
    }
    found = &entry;
  }
  if (found == nullptr) throw InputError("The manifest deploys no model.", kBuildAgain);
  return *found;
}

Bytes Artifact::model() const { return file(model_entry().path); }

std::vector<std::string> Artifact::labels() const {
  const auto is_labels = [](const FileEntry& entry) { return entry.path == "labels.txt"; };
  if (std::none_of(manifest_.files.begin(), manifest_.files.end(), is_labels)) return {};
  const Bytes bytes = file("labels.txt");
  std::vector<std::string> lines;
  std::string line;
  for (const uint8_t byte : bytes) {
    if (byte != '\n') {
      line += static_cast<char>(byte);
      continue;
    }
    lines.push_back(line);
    line.clear();
  }
  if (!line.empty()) lines.push_back(line);
  if (lines.size() != static_cast<size_t>(manifest_.classes)) {
    throw InputError("labels.txt has " + std::to_string(lines.size()) + " lines, but the model " +
                         std::to_string(manifest_.classes) + " classes.",
                     kBuildAgain);
  }
  return lines;
}

std::vector<float> Artifact::golden(const std::string& program, int sample, size_t size) const {
  const std::string path = "golden/" + program + "_" + std::to_string(sample) + ".f32";
  const Bytes bytes = file(path);
  if (bytes.size() != size * sizeof(float)) {
    throw InputError(path + " has not " + std::to_string(size) + " numbers.", kBuildAgain);
  }
  std::vector<float> values(size);  // little-endian, as every processor that this runs on
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Bytes Artifact::golden_image() const {
  return file(manifest_.shape[0] == 1 ? "golden/image_0.png" : "golden/image_0_0.png");
}
