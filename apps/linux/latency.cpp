#include "latency.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
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

#ifdef __aarch64__
constexpr const char *kAbi = "arm64", *kRunner = "arm64";
#else
constexpr const char *kAbi = "x86_64", *kRunner = "x86-64";
#endif
constexpr const char* kPhases[] = {"preprocess", "execute", "postprocess", "total"};
// As Linux names a feature of the processor: as reports name the instruction set.
constexpr std::pair<const char*, const char*> kIsa[] = {{"avx2", "avx2"},
                                                        {"fma", "fma"},
                                                        {"avx512f", "avx512f"},
                                                        {"avx512_vnni", "avx512_vnni"},
                                                        {"avx_vnni", "avx_vnni"},
                                                        {"avx512_bf16", "avx512_bf16"},
                                                        {"amx_int8", "amx_int8"},
                                                        {"asimd", "neon"},
                                                        {"asimdhp", "fp16"},
                                                        {"asimddp", "dotprod"},
                                                        {"i8mm", "i8mm"},
                                                        {"bf16", "bf16"},
                                                        {"sve", "sve"}};

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The value of the first line "key<separator>value" of a file of the system; "" without one.
std::string fact(const char* path, const std::string& key, char separator = ':') {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t at = line.find(separator);
    if (line.compare(0, key.size(), key) != 0 || at == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t\"", at + 1),
                 end = line.find_last_not_of(" \"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

uint64_t peak_memory_bytes() {
  return 1024 * std::stoull("0" + fact("/proc/self/status", "VmHWM"));
}

Json device() {
  std::string name = fact("/proc/cpuinfo", "model name");
  if (name.empty())
    std::getline(std::ifstream("/proc/device-tree/model"), name, '\0');  // a board's
  if (name.empty()) name = kAbi;
  const std::string os = fact("/etc/os-release", "PRETTY_NAME", '=');
  std::istringstream flags(fact("/proc/cpuinfo", "flags") + fact("/proc/cpuinfo", "Features"));
  const std::vector<std::string> has{std::istream_iterator<std::string>(flags), {}};
  Json isa = Json::array();
  for (const auto& [flag, known] : kIsa) {
    if (std::find(has.begin(), has.end(), flag) != has.end()) isa.push_back(known);
  }
  return {{"name", name}, {"os", os.empty() ? "Linux" : os},
          {"soc", name},  {"cores", std::max(1u, std::thread::hardware_concurrency())},
          {"abi", kAbi},  {"isa", isa}};
}

// A model that is loaded and warm, and one inference of an image, measured.
class Stopwatch {
 public:
  Stopwatch(const Artifact& artifact, const Bytes& file, const Settings& settings)
      : artifact_(artifact),
        image_(decode(file)),
        labels_(artifact.labels()),
        input_(artifact.input_size()),
        start_(Clock::now()),
        model_(artifact, settings.threads),
        load_ms_(since(start_)),
        first_ms_(sample()[1]) {
    for (int i = 0; i < settings.warmup; ++i) sample();
  }

  std::array<double, 4> sample() {  // milliseconds of each phase
    const auto begin = Clock::now();
    prepare(image_, artifact_, input_);
    const double prepared = since(begin);
    const Floats logits = model_.run(input_);
    const double executed = since(begin);
    for (int image = 0; image < artifact_.shape[0]; ++image) {
      for (const Class& c : top_classes(logits, artifact_, image)) {
        if (!labels_.empty()) label_ = labels_[static_cast<size_t>(c.index)];
      }
    }
    const double total = since(begin);
    return {prepared, executed - prepared, total - executed, total};
  }

  Json facts() const {  // the report's fields that are known before the samples
    return {{"device", device()},
            {"runtime",
             {{"backend", artifact_.backend},
              {"version", EXECUTORCH_VERSION},
              {"threads", model_.threads()}}},
            {"image", {{"width", image_.width}, {"height", image_.height}}},
            {"load_ms", load_ms_},
            {"first_ms", first_ms_}};
  }

 private:
  const Artifact& artifact_;
  const Image image_;
  const std::vector<std::string> labels_;
  std::string label_;
  Floats input_;
  const Clock::time_point start_;
  Model model_;
  const double load_ms_, first_ms_;
};

// The samples and their figures; a percentile lies between the two nearest samples.
Json phase(const std::vector<double>& samples) {
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  const auto percentile = [&](double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<size_t>(place), above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
  };
  const double sum = std::accumulate(sorted.begin(), sorted.end(), 0.0);
  return {{"samples_ms", samples},     {"p50_ms", percentile(0.5)},
          {"p90_ms", percentile(0.9)}, {"p99_ms", percentile(0.99)},
          {"min_ms", sorted.front()},  {"mean_ms", sum / static_cast<double>(sorted.size())}};
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  char text[sizeof "2026-01-01T00:00:00+00:00"];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", std::gmtime(&time));
  return text;
}

void answer(const Json& content) { std::cout << Json{{"answer", content}}.dump() << std::endl; }

}  // namespace

void bench(const Artifact& artifact, const Bytes& image, const Settings& settings,
           const std::string& out) {
  Stopwatch watch(artifact, image, settings);
  std::array<std::vector<double>, 4> samples;
  for (int i = 0; i < settings.iterations; ++i) {
    const auto times = watch.sample();
    for (size_t p = 0; p < times.size(); ++p) samples[p].push_back(times[p]);
  }
  Json report = watch.facts();
  for (size_t p = 0; p < samples.size(); ++p) report["phases"][kPhases[p]] = phase(samples[p]);
  report.update({{"schema_version", "1.0"},
                 {"artifact", artifact.name},
                 {"model_sha256", artifact.files.at(artifact.model_path).sha256},
                 {"runner", kRunner},
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
  if (!file.flush())
    throw InputError(out + " cannot be written.", "Check the path and its rights.");
  const Json& execute = report["phases"]["execute"];
  std::printf("execute: p50 %.3f ms, p90 %.3f ms, min %.3f ms of %d; %s\n",
              execute["p50_ms"].get<double>(), execute["p90_ms"].get<double>(),
              execute["min_ms"].get<double>(), settings.iterations, out.c_str());
}

void turns(const Artifact& artifact, const Settings& settings) {
  Stopwatch watch(artifact, artifact.golden_image(), settings);
  answer(watch.facts());
  for (std::string line; std::getline(std::cin, line);) {
    watch.sample();  // not counted: it wakes the threads and fills the caches
    Json samples = Json::array();
    for (int left = std::stoi(line); left > 0; --left) samples.push_back(watch.sample());
    answer(samples);
  }
  answer({{"peak_memory_bytes", peak_memory_bytes()}});
}

void refuse_emulation([[maybe_unused]] bool timed) {
#ifdef __aarch64__
  // The file is the host's own; a kernel for ARM64 always names an implementer.
  if (!fact("/proc/cpuinfo", "CPU implementer").empty()) return;
  constexpr unsigned long kI8mm = 1ul << 13, kSme = 1ul << 23;  // bits of AT_HWCAP2
  if (getauxval(AT_HWCAP2) & (kI8mm | kSme)) {
    throw InputError(
        "The emulated processor has i8mm or SME, whose kernels qemu 7.2 computes wrongly.",
        "Name another: QEMU_CPU=cortex-a76.");
  }
  if (timed) {
    throw InputError("This is an emulated processor: its times say nothing of a real one.",
                     "Measure on the device.");
  }
#endif
}
