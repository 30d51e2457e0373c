// edgeform-runner: an artifact folder on the ExecuTorch runtime, as an app would run it.
//
// The order of the steps is the one to copy: read the manifest, check the digest of every file that
// is used, prepare the image as the manifest says, run, and take the top classes. Exit codes: 0 done,
// 1 the self-test is below its pass mark, 2 bad input.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>

#include "artifact.h"
#include "image.h"
#include "latency.h"
#include "model.h"

namespace {

constexpr int kDone = 0, kFailed = 1, kBadInput = 2;
constexpr uint64_t kLargestImage = 1u << 28, kLargestInputs = uint64_t{1} << 33;
constexpr double kIdenticalDb = 200;  // the ratio that is reported for equal logits
constexpr const char* kUsage =
    "usage: edgeform-runner classify ARTIFACT IMAGE\n"
    "       edgeform-runner selftest ARTIFACT\n"
    "       edgeform-runner bench ARTIFACT --out REPORT.json [--image IMAGE] [--iterations N]\n"
    "       edgeform-runner prepare ARTIFACT IMAGE INPUT.f32\n"
    "       edgeform-runner logits ARTIFACT INPUTS.f32 LOGITS.f32\n"
    "       edgeform-runner turns ARTIFACT\n"
    "and for each: [--threads N] [--warmup N]";

struct Arguments {
  std::vector<std::string> names;
  std::string out, image;
  Settings settings;
};

int whole_number(const std::string& text, int least, int most) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < least || value > most) {
    throw InputError("'" + text + "' is no number from " + std::to_string(least) + " to " +
                         std::to_string(most) + ".",
                     kUsage);
  }
  return static_cast<int>(value);
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.compare(0, 2, "--") != 0) {
      arguments.names.push_back(word);
      continue;
    }
    if (++i == argc) throw InputError(word + " wants a value.", kUsage);
    if (word == "--out") arguments.out = argv[i];
    else if (word == "--image") arguments.image = argv[i];
    else if (word == "--iterations") arguments.settings.iterations = whole_number(argv[i], 1, 100000);
    else if (word == "--warmup") arguments.settings.warmup = whole_number(argv[i], 0, 100000);
    else if (word == "--threads") arguments.settings.threads =
        static_cast<unsigned>(whole_number(argv[i], 0, 256));
    else throw InputError("There is no option " + word + ".", kUsage);
  }
  return arguments;
}

void write_floats(const std::string& path, const std::vector<float>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!file.flush()) throw InputError(path + " cannot be written.", "Check the path and its rights.");
}

// The model's input from an image, as raw little-endian float32.
int prepare_file(const Artifact& artifact, const std::string& image, const std::string& out) {
  std::vector<float> input(artifact.manifest().input_size());
  prepare(decode(read_file(image, kLargestImage)), artifact.manifest(), input);
  write_floats(out, input);
  return kDone;
}

int classify(const Artifact& artifact, const std::string& path, const Settings& settings) {
  const Manifest& m = artifact.manifest();
  const auto labels = artifact.labels();
  Model model(artifact, settings.threads);
  std::vector<float> input(m.input_size());
  prepare(decode(read_file(path, kLargestImage)), m, input);
  for (const Class& c : top_classes(model.run(input), m, 0)) {
    const std::string name =
        labels.empty() ? std::to_string(c.index) : labels[static_cast<size_t>(c.index)];
    std::printf("%6.2f %%  %s\n", 100 * c.probability, name.c_str());
  }
  return kDone;
}

// Runs the golden inputs and compares with the logits of the machine that built the file: the
// signal-to-noise ratio over all samples, and how many of them agree on the first class.
int selftest(const Artifact& artifact, const Settings& settings) {
  const Manifest& m = artifact.manifest();
  Model model(artifact, settings.threads);
  double signal = 0, noise = 0;
  int agree = 0;
  for (int sample = 0; sample < m.golden_samples; ++sample) {
    auto input = artifact.golden("input", sample, m.input_size());
    const auto expected = artifact.golden("expected", sample, m.output_size());
    const auto logits = model.run(input);
    for (size_t i = 0; i < logits.size(); ++i) {
      signal += 1.0 * expected[i] * expected[i];
      noise += (1.0 * expected[i] - logits[i]) * (1.0 * expected[i] - logits[i]);
    }
    for (int row = 0; row < m.rows; ++row) {
      agree += top_classes(logits, m, row)[0].index == top_classes(expected, m, row)[0].index;
    }
  }
  const double sqnr = noise == 0 && signal > 0 ? kIdenticalDb : 10 * std::log10(signal / noise);
  const double top1 = 1.0 * agree / (m.golden_samples * m.rows);
  // NaN, of a model or of golden files, is not at least anything
  const bool passed = sqnr >= m.selftest_sqnr_db && top1 >= m.selftest_top1;
  std::printf("self-test of %s: %d samples, SQNR %.1f dB (at least %g), top-1 %.3f (at least %g): %s\n",
              m.name.c_str(), m.golden_samples, sqnr, m.selftest_sqnr_db, top1, m.selftest_top1,
              passed ? "passed" : "FAILED");
  return passed ? kDone : kFailed;
}

// The logits of inputs that are raw little-endian float32, one after the other; a line after each.
int logits(const Artifact& artifact, const std::string& inputs, const std::string& out,
           const Settings& settings) {
  const size_t size = artifact.manifest().input_size();
  const Bytes bytes = read_file(inputs, kLargestInputs);
  if (bytes.empty() || bytes.size() % (size * sizeof(float)) != 0) {
    throw InputError(inputs + " holds no whole number of inputs.", "Each has " +
                         std::to_string(size) + " numbers of float32.");
  }
  Model model(artifact, settings.threads);
  std::vector<float> input(size), all;
  for (size_t at = 0; at < bytes.size(); at += size * sizeof(float)) {
    std::memcpy(input.data(), bytes.data() + at, size * sizeof(float));
    const auto values = model.run(input);
    all.insert(all.end(), values.begin(), values.end());
    std::cout << "one sample has run" << std::endl;
  }
  write_floats(out, all);
  return kDone;
}

int run(const Arguments& arguments) {
  const auto& names = arguments.names;
  const auto is = [&](const char* command, size_t count) {
    return names.size() == count && names[0] == command;
  };
  if (names.size() < 2) throw InputError("A command and an artifact are wanted.", kUsage);
  refuse_wrong_emulation();
  const Artifact artifact(names[1]);
  const Settings& settings = arguments.settings;
  if (is("classify", 3)) return classify(artifact, names[2], settings);
  if (is("selftest", 2)) return selftest(artifact, settings);
  if (is("prepare", 4)) return prepare_file(artifact, names[2], names[3]);
  if (is("logits", 4)) return logits(artifact, names[2], names[3], settings);
  if (is("turns", 2)) {
    turns(artifact, settings);
    return kDone;
  }
  if (is("bench", 2) && !arguments.out.empty()) {
    const bool own = arguments.image.empty();
    const Bytes image = own ? artifact.golden_image() : read_file(arguments.image, kLargestImage);
    bench(artifact, image, settings, arguments.out);
    return kDone;
  }
  throw InputError("There is no such command.", kUsage);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const InputError& error) {
    std::fprintf(stderr, "%s\n%s\n", error.what(), error.remedy.c_str());
  } catch (const std::exception& error) {  // memory that is not there, a name that is none
    std::fprintf(stderr, "%s\nCheck the artifact and the image.\n", error.what());
  }
  return kBadInput;
}
