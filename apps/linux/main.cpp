// edgeform-runner: an artifact folder on the ExecuTorch runtime, as an app would run it.
//
// classify() has the order of the steps to copy: read the manifest, load the model from the bytes
// whose digest was checked, prepare the image as the manifest says, run, take the top classes. Exit
// codes: 0 done, 1 the self-test is below its pass mark, 2 bad input.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>

#include "image.h"
#include "latency.h"
#include "model.h"

namespace {

constexpr int kDone = 0, kFailed = 1, kBadInput = 2;
constexpr uint64_t kLargestImage = 1u << 28, kLargestInputs = uint64_t{1} << 33;
constexpr double kIdenticalDb = 200;  // the ratio that is reported for equal logits

Floats prepared(const Artifact& artifact, const std::string& image) {
  Floats input(artifact.input_size());
  prepare(decode(read_file(image, kLargestImage)), artifact, input);
  return input;
}

// Raw little-endian float32.
void write_floats(const std::string& path, const Floats& values) {
  std::ofstream file(path, std::ios::binary);
  const size_t bytes = values.size() * sizeof(float);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(bytes));
  if (!file.flush())
    throw InputError(path + " cannot be written.", "Check the path and its rights.");
}

void classify(const Artifact& artifact, const std::string& image, const Settings& settings) {
  const auto labels = artifact.labels();
  Model model(artifact, settings.threads);
  Floats input = prepared(artifact, image);
  for (const Class& c : top_classes(model.run(input), artifact, 0)) {
    const std::string name =
        labels.empty() ? std::to_string(c.index) : labels[static_cast<size_t>(c.index)];
    std::printf("%6.2f %%  %s\n", 100 * c.probability, name.c_str());
  }
}

// Runs the golden inputs and compares with the logits of the machine that built the file: the
// signal-to-noise ratio over all samples, and how many of them agree on the first class.
int selftest(const Artifact& artifact, const Settings& settings) {
  Model model(artifact, settings.threads);
  double signal = 0, noise = 0;
  int agree = 0;
  for (int sample = 0; sample < artifact.golden_samples; ++sample) {
    Floats input = artifact.golden("input", sample, artifact.input_size());
    const Floats expected = artifact.golden("expected", sample, artifact.output_size());
    const Floats logits = model.run(input);
    for (size_t i = 0; i < logits.size(); ++i) {
      signal += 1.0 * expected[i] * expected[i];
      noise += std::pow(1.0 * expected[i] - logits[i], 2);
    }
    for (int image = 0; image < artifact.shape[0]; ++image) {
      agree += top_classes(logits, artifact, image)[0].index ==
               top_classes(expected, artifact, image)[0].index;
    }
  }
  const double sqnr = noise == 0 && signal > 0 ? kIdenticalDb : 10 * std::log10(signal / noise);
  const double top1 = 1.0 * agree / (artifact.golden_samples * artifact.shape[0]);
  // NaN, of a model or of golden files, is not at least anything
  const bool passed = sqnr >= artifact.least_sqnr_db && top1 >= artifact.least_top1;
  std::printf(
      "self-test of %s: %d samples, SQNR %.1f dB (at least %g), top-1 %.3f (at least %g): %s\n",
      artifact.name.c_str(), artifact.golden_samples, sqnr, artifact.least_sqnr_db, top1,
      artifact.least_top1, passed ? "passed" : "FAILED");
  return passed ? kDone : kFailed;
}

// The logits of inputs that lie one after the other in a file; a line on stdout after each.
void logits(const Artifact& artifact, const std::string& inputs, const std::string& out,
            const Settings& settings) {
  Floats input(artifact.input_size()), all;
  const size_t size = input.size() * sizeof(float);
  const Bytes bytes = read_file(inputs, kLargestInputs);
  if (bytes.empty() || bytes.size() % size != 0) {
    throw InputError(inputs + " holds no whole number of inputs.",
                     "Each has " + std::to_string(size) + " bytes.");
  }
  Model model(artifact, settings.threads);
  for (size_t at = 0; at < bytes.size(); at += size) {
    std::memcpy(input.data(), bytes.data() + at, size);
    const Floats values = model.run(input);
    all.insert(all.end(), values.begin(), values.end());
    std::cout << "one sample has run" << std::endl;
  }
  write_floats(out, all);
}

int run(int argc, char** argv) {
  CLI::App app("An artifact folder on the ExecuTorch runtime.", "edgeform-runner");
  std::string command, folder, image, inputs, out;
  Settings settings;
  const auto add = [&](const char* name, const char* description) {
    CLI::App* added = app.add_subcommand(name, description);
    added->add_option("artifact", folder)->required();
    added->add_option("--threads", settings.threads, "0: the runtime's choice")
        ->check(CLI::Range(0, 256));
    added->add_option("--warmup", settings.warmup)->check(CLI::Range(0, 100000));
    added->callback([&command, name] { command = name; });
    return added;
  };
  app.require_subcommand(1);
  add("classify", "the top five classes of an image")->add_option("image", image)->required();
  add("selftest", "golden inputs against the stored logits");
  CLI::App* added = add("bench", "a latency report for `edgeform profile --import`");
  added->add_option("--out", out)->required();
  added->add_option("--image", image, "the first golden one where none is named");
  added->add_option("--iterations", settings.iterations)->check(CLI::Range(1, 100000));
  added = add("prepare", "the model's input, as raw float32");
  added->add_option("image", image)->required();
  added->add_option("out", out)->required();
  added = add("logits", "what `edgeform verify --runner` asks for");
  added->add_option("inputs", inputs)->required();
  added->add_option("out", out)->required();
  add("turns", "what `edgeform profile --runner` asks for");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // --help among them
    return app.exit(error) == 0 ? kDone : kBadInput;
  }

  refuse_emulation(command == "bench" || command == "turns");
  const Artifact artifact(folder);
  if (command == "selftest") return selftest(artifact, settings);
  if (command == "classify") classify(artifact, image, settings);
  if (command == "prepare") write_floats(out, prepared(artifact, image));
  if (command == "logits") logits(artifact, inputs, out, settings);
  if (command == "turns") turns(artifact, settings);
  if (command == "bench") {
    bench(artifact, image.empty() ? artifact.golden_image() : read_file(image, kLargestImage),
          settings, out);
  }
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const InputError& error) {
    std::fprintf(stderr, "%s\n", error.what());
  } catch (const std::exception& error) {  // memory that is not there, a name that is none
    std::fprintf(stderr, "%s\nCheck the artifact and the image.\n", error.what());
  }
  return kBadInput;
}
