#include "artifact.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

// A manifest is not trusted: these bound what it can make an app allocate.
constexpr int kLargestSide = 16384, kLargestCount = 1 << 20;
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

// Outputs that are no logits: each with a shape of at least one side.
void read_tensors(const Json& tensors, Artifact& artifact) {
  size_t all = 0;
  for (const Json& tensor : tensors) {
    size_t numbers = 1;
    if (tensor.at("shape").empty()) damaged("a tensor has no shape");
    for (const Json& side : tensor.at("shape")) {
      numbers *= static_cast<size_t>(count(side, kLargestSide));
      if (numbers > kMostNumbers) damaged("it is too large");  // before a product overflows
    }
    artifact.tensors.push_back({tensor.at("name"), numbers});
    if ((all += numbers) > kMostNumbers) damaged("it is too large");
  }
  if (artifact.tensors.empty()) damaged("/output/tensors is empty");
}

// The model is the one file to deploy beside the labels.
void read_files(const Json& files, Artifact& artifact) {
  for (const Json& entry : files) {
    const std::string path = entry.at("path");
    artifact.files[path] = {entry.at("bytes"), entry.at("sha256")};
    if (!entry.at("deploy").get<bool>() || path == "labels.txt") continue;
    if (!artifact.model_path.empty() || fs::path(path).extension() != ".pte") {
      throw InputError("The artifact is for " + artifact.backend + ".",
                       "This program executes one .pte file.");
    }
    artifact.model_path = path;
  }
  if (artifact.model_path.empty()) damaged("it deploys no model");
}

// Every value that is used; a missing one or one of another type throws Json::exception.
void read(const Json& json, Artifact& artifact) {
  const auto at = [&](const std::string& place) -> const Json& {
    return json.at(Json::json_pointer(place));
  };
  const std::string version = at("/schema_version");
  if (version.compare(0, 2, "1.") != 0) {  // a newer minor version adds fields, no more
    throw InputError("The manifest's schema version is '" + version + "', this program reads 1.",
                     "Use the program that fits the artifact.");
  }
  artifact.name = at("/name");
  artifact.backend = at("/target/name");
  const int batch = count(at("/input/shape/0"), kLargestSide),
            height = count(at("/input/resize/crop/0"), kLargestSide),
            width = count(at("/input/resize/crop/1"), kLargestSide);
  artifact.shape = {batch, 3, height, width};
  artifact.resize = count(at("/input/resize/size"), kLargestSide);
  artifact.bicubic = at("/input/resize/interpolation") == "bicubic";
  const Json& resize = at("/input/resize");
  const std::string mode = resize.contains("mode") ? resize.at("mode").get<std::string>() : "crop";
  if (mode != "crop" && mode != "stretch") damaged("/input/resize/mode is " + mode);
  artifact.stretch = mode == "stretch";
  // What follows from these, and the form of input and output that this code is written for.
  std::map<std::string, Json> wanted = {
      {"/input/shape", artifact.shape},
      {"/input/resize/crop", std::array{height, width}},
      {"/input/resize/interpolation", artifact.bicubic ? "bicubic" : "bilinear"},
      {"/input/dtype", "float32"},
      {"/input/layout", "NCHW"},
      {"/input/color_order", "RGB"},
      {"/input/normalization", "caller"},
      {"/input/kind", "tensor"}};
  if (at("/output/kind") == "tensors") {
    read_tensors(at("/output/tensors"), artifact);
  } else {
    artifact.classes = count(at("/output/shape/1"), kLargestCount);
    artifact.heads = at("/output/heads") == "both" ? 2 : 1;
    wanted["/output/shape"] = std::array{batch, artifact.classes};
    wanted["/output/heads"] = artifact.heads == 2 ? "both" : "mean";
    wanted["/output/kind"] = "logits";
  }
  for (const auto& [place, value] : wanted) {
    if (at(place) != value) damaged(place + " is not " + value.dump());
  }
  for (size_t c = 0; c < 3; ++c) {
    artifact.mean[c] = at("/input/mean/" + std::to_string(c)).get<float>();
    artifact.std[c] = at("/input/std/" + std::to_string(c)).get<float>();
    if (!(std::fabs(artifact.std[c]) > 0)) damaged("a standard deviation is zero");
  }
  if (std::max(artifact.input_size(), artifact.output_size()) > kMostNumbers)
    damaged("it is too large");
  artifact.golden_samples = count(at("/golden/samples"), kLargestCount);
  artifact.least_sqnr_db = at("/selftest/sqnr_db").get<double>();
  artifact.least_top1 = at("/selftest/top1").get<double>();
  read_files(at("/files"), artifact);
}

// A path of the manifest, which must stay below the folder when its links are followed.
fs::path inside(const fs::path& folder, const fs::path& relative) {
  const fs::path resolved = fs::weakly_canonical(folder / relative);
  if (relative.is_absolute() ||
      std::find(relative.begin(), relative.end(), "..") != relative.end() ||
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
size_t Artifact::output_size() const {
  size_t numbers = size_t{1} * heads * shape[0] * classes;
  for (const Tensor& tensor : tensors) numbers += tensor.count;
  return numbers;
}

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
