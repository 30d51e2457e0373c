#include "latency.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <numeric>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#include "image.h"
#include "model.h"

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

namespace {

constexpr const char* kPhases[] = {"preprocess", "execute", "postprocess", "total"};
// As Linux names a feature of the processor: as reports name the instruction set.
constexpr const char* kIsa[][2] = {
    {"avx2", "avx2"},         {"fma", "fma"},
    {"avx512f", "avx512f"},   {"avx512_vnni", "avx512_vnni"},
    {"avx_vnni", "avx_vnni"}, {"avx512_bf16", "avx512_bf16"},
    {"amx_int8", "amx_int8"}, {"asimd", "neon"},
    {"asimdhp", "fp16"},      {"asimddp", "dotprod"},
    {"i8mm", "i8mm"},         {"bf16", "bf16"},
    {"sve", "sve"}};

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The value of the first line "key<separator>value" of a file of the system; "" without one.
std::string fact(const std::string& path, const std::string& key, char separator) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t at = line.find(separator);
    if (line.compare(0, key.size(), key) != 0 || at == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t\"", at + 1), end = line.find_last_not_of(" \"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

Json device() {
#ifdef __aarch64__
  const char* abi = "arm64";
#else
  const char* abi = "x86_64";
#endif
  std::string board;  // where the processor has no name
  std::getline(std::ifstream("/proc/device-tree/model"), board, '\0');
  const std::string model = fact("/proc/cpuinfo", "model name", ':');
  const std::string name = !model.empty() ? model : !board.empty() ? board : abi;
  std::istringstream flags(fact("/proc/cpuinfo", "flags", ':') + fact("/proc/cpuinfo", "Features", ':'));
  std::vector<std::string> has{std::istream_iterator<std::string>(flags), {}};
  Json isa = Json::array();
  for (const auto& [flag, known] : kIsa) {
    if (std::find(has.begin(), has.end(), flag) != has.end()) isa.push_back(known);
  }
  const std::string os = fact("/etc/os-release", "PRETTY_NAME", '=');
  return {{"name", name},
          {"os", os.empty() ? "Linux" : os},
          {"soc", name},
          {"cores", std::max(1u, std::thread::hardware_concurrency())},
          {"abi", abi},
          {"isa", isa}};
}

uint64_t peak_memory_bytes() {
  return 1024 * std::stoull("0" + fact("/proc/self/status", "VmHWM", ':'));
}

// A model that is loaded and has run once, and one inference of an image, measured.
class Stopwatch {
 public:
  Stopwatch(const Artifact& artifact, const Bytes& file, const Settings& settings)
      : artifact_(artifact),
        image_(decode(file)),
        labels_(artifact.labels()),
        input_(artifact.manifest().input_size()),
        start_(Clock::now()),
        model_(artifact, settings.threads),
        load_ms_(since(start_)) {
    first_ms_ = once()[1];
    for (int i = 0; i < settings.warmup; ++i) once();
  }

  // Milliseconds of each phase.
  std::array<double, 4> once() {
    const auto begin = Clock::now();
    prepare(image_, artifact_.manifest(), input_);
    const double prepared = since(begin);
    const auto logits = model_.run(input_);
    const double executed = since(begin);
    for (int row = 0; row < artifact_.manifest().rows; ++row) {
      for (const Class& c : top_classes(logits, artifact_.manifest(), row)) {
        if (!labels_.empty()) label_ = labels_[static_cast<size_t>(c.index)];
      }
    }
    const double total = since(begin);
    return {prepared, executed - prepared, total - executed, total};
  }

  // The report's fields that are known before the samples.
  Json facts() const {
    return {{"device", device()},
            {"runtime", {{"backend", artifact_.manifest().target},
                         {"version", EXECUTORCH_VERSION},
                         {"threads", model_.threads()}}},
            {"image", {{"width", image_.width}, {"height", image_.height}}},
            {"load_ms", load_ms_},
            {"first_ms", first_ms_}};
  }

 private:
  const Artifact& artifact_;
  Image image_;
  std::vector<std::string> labels_;
  std::string label_;
  std::vector<float> input_;
  Clock::time_point start_;
  Model model_;
  double load_ms_, first_ms_ = 0;
};

// Linear interpolation between the two nearest samples, which are sorted.
double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Json phase(const std::vector<double>& samples) {
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  const double sum = std::accumulate(sorted.begin(), sorted.end(), 0.0);
  return {{"samples_ms", samples},
          {"p50_ms", percentile(sorted, 0.5)},
          {"p90_ms", percentile(sorted, 0.9)},
          {"p99_ms", percentile(sorted, 0.99)},
          {"mean_ms", sum / static_cast<double>(sorted.size())},
          {"min_ms", sorted.front()}};
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  char text[sizeof "2026-01-01T00:00:00+00:00"];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", std::gmtime(&time));
  return text;
}

void answer(const Json& content) { std::cout << Json{{"answer", content}}.dump() << std::endl; }

void refuse_emulated_times() {
  if (!emulated()) return;
  throw InputError("This is an emulated processor: its times say nothing of a real one.",
                   "Measure on the device.");
}

}  // namespace

void bench(const Artifact& artifact, const Bytes& image, const Settings& settings,
           const std::string& out) {
  refuse_emulated_times();
  Stopwatch watch(artifact, image, settings);
  std::array<std::vector<double>, 4> samples;
  for (int i = 0; i < settings.iterations; ++i) {
    const auto times = watch.once();
    for (size_t p = 0; p < times.size(); ++p) samples[p].push_back(times[p]);
  }
  Json report = watch.facts();
  for (size_t p = 0; p < samples.size(); ++p) report["phases"][kPhases[p]] = phase(samples[p]);
  report.update({{"schema_version", "1.0"},
                 {"artifact", artifact.manifest().name},
                 {"model_sha256", artifact.model_sha256()},
                 {"runner", report["device"]["abi"] == "x86_64" ? "x86-64" : "arm64"},
                 {"created", now()},
                 {"warmup", settings.warmup},
                 {"iterations", settings.iterations},
                 {"interrupted", false},
                 {"peak_memory_bytes", peak_memory_bytes()},
                 {"thermal", nullptr},
                 {"operators", nullptr},
                 {"ratios", Json::array()}});
  std::ofstream file(out);
  file << report.dump(1) << "\n";
  if (!file.flush()) throw InputError(out + " cannot be written.", "Check the path and its rights.");
  const Json& execute = report["phases"]["execute"];
  std::printf("execute: p50 %.3f ms, p90 %.3f ms, min %.3f ms of %d; %s\n",
              execute["p50_ms"].get<double>(), execute["p90_ms"].get<double>(),
              execute["min_ms"].get<double>(), settings.iterations, out.c_str());
}

void turns(const Artifact& artifact, const Settings& settings) {
  refuse_emulated_times();
  Stopwatch watch(artifact, artifact.golden_image(), settings);
  answer(watch.facts());
  for (std::string line; std::getline(std::cin, line);) {
    watch.once();
    Json samples = Json::array();
    for (int left = std::stoi(line); left > 0; --left) samples.push_back(watch.once());
    answer(samples);
  }
  answer({{"peak_memory_bytes", peak_memory_bytes()}});
}

bool emulated() {
#ifdef __aarch64__
  // the file is the host's own; a kernel for ARM64 always names an implementer
  return fact("/proc/cpuinfo", "CPU implementer", ':').empty();
#else
  return false;
#endif
}

void refuse_wrong_emulation() {
#ifdef __aarch64__
  constexpr unsigned long kI8mm = 1ul << 13, kSme = 1ul << 23;  // bits of AT_HWCAP2
  if (!emulated() || !(getauxval(AT_HWCAP2) & (kI8mm | kSme))) return;
  throw InputError(
      "The emulated processor has i8mm or SME, whose kernels qemu 7.2 computes wrongly.",
      "Name another: QEMU_CPU=cortex-a76.");
#endif
}
