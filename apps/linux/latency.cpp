#include "latency.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <numeric>
#include <utility>

#include "embed/model.h"
#include "embed/prepare.h"
#include "machine.h"

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

namespace {

constexpr const char* kPhases[] = {"preprocess", "execute", "postprocess", "total"};

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The decoded picture that every runner and app prepares: apps/README.md.
Image timing_image() {
  constexpr int kWidth = 1280, kHeight = 960;
  Image image{kWidth, kHeight, {}};
  image.bytes.reserve(size_t{3} * kWidth * kHeight);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) image.bytes.insert(image.bytes.end(), 3, uint8_t((x + y) % 256));
  }
  return image;
}

// A model that is loaded and warm, and one inference of the timing image, measured.
class Stopwatch {
 public:
  Stopwatch(const Artifact& artifact, int warmup)
      : artifact_(artifact),
        image_(timing_image()),
        labels_(artifact.labels()),
        file_(artifact.file(artifact.model_path)),
        start_(Clock::now()),
        model_(artifact, std::move(file_)),
        load_ms_(since(start_)),
        first_ms_(sample()[1]) {
    for (int i = 0; i < warmup; ++i) sample();
  }

  std::array<double, 4> sample() {  // milliseconds of each phase
    const auto begin = Clock::now();
    Floats input = prepare(image_, artifact_);
    const double prepared = since(begin);
    const Floats logits = model_.run(std::move(input));
    const double executed = since(begin);
    for (int image = 0; artifact_.classes > 0 && image < artifact_.shape[0]; ++image) {
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
              {"threads", threads()}}},
            {"image", {{"width", image_.width}, {"height", image_.height}}},
            {"load_ms", load_ms_},
            {"first_ms", first_ms_}};
  }

 private:
  const Artifact& artifact_;
  const Image image_;
  const std::vector<std::string> labels_;
  std::string label_;
  Bytes file_;
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

std::string bench(const Artifact& artifact, int warmup, int iterations) {
  Stopwatch watch(artifact, warmup);
  std::array<std::vector<double>, 4> samples;
  for (int i = 0; i < iterations; ++i) {
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
                 {"warmup", warmup},
                 {"iterations", iterations},
                 {"interrupted", false},
                 {"peak_memory_bytes", peak_memory_bytes()},
                 {"thermal", nullptr},
                 {"operators", nullptr},
                 {"ratios", Json::array()}});
  const Json& execute = report["phases"]["execute"];
  std::printf("execute: p50 %.3f ms, p90 %.3f ms, min %.3f ms of %d\n",
              execute["p50_ms"].get<double>(), execute["p90_ms"].get<double>(),
              execute["min_ms"].get<double>(), iterations);
  return report.dump(1) + "\n";
}

void turns(const Artifact& artifact, int warmup) {
  Stopwatch watch(artifact, warmup);
  answer(watch.facts());
  for (std::string line; std::getline(std::cin, line);) {
    watch.sample();  // not counted: it wakes the threads and fills the caches
    Json samples = Json::array();
    for (int left = std::stoi(line); left > 0; --left) samples.push_back(watch.sample());
    answer(samples);
  }
  answer({{"peak_memory_bytes", peak_memory_bytes()}});
}
