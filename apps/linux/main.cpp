// edgeform-runner: an artifact folder on the ExecuTorch runtime, as an app would run it.
//
// classify() has the order of the steps to copy: read the manifest, load the model from the bytes
// whose digest was checked, prepare the image as the manifest says, run, take the top classes. Exit
// codes: 0 done, 1 the self-test is below its pass mark, 2 bad input.

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>

#include "agreement.h"
#include "decode.h"
#include "embed/model.h"
#include "latency.h"
#include "machine.h"

namespace {

constexpr int kDone = 0, kFailed = 1, kBadInput = 2;
constexpr uint64_t kLargestImage = 1u << 28, kLargestInputs = uint64_t{1} << 33;

Floats prepared(const Artifact& artifact, const std::string& image) {
  return prepare(decode(read_file(image, kLargestImage)), artifact);
}

// `count` raw float32, little-endian as every processor that this runs on.
Floats floats(const uint8_t* bytes, size_t count) {
  Floats values(count);
  std::memcpy(values.data(), bytes, count * sizeof(float));
  return values;
}

// The values of a string or of Floats, raw.
template <typename Values>
void write(const std::string& path, const Values& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof values[0]));
  if (!file.flush())
    throw InputError(path + " cannot be written.", "Check the path and its rights.");
}

void classify(const Artifact& artifact, const std::string& image) {
  const auto labels = artifact.labels();
  Model model(artifact);
  for (const Class& c : top_classes(model.run(prepared(artifact, image)), artifact, 0)) {
    const std::string name =
        labels.empty() ? std::to_string(c.index) : labels[static_cast<size_t>(c.index)];
    std::printf("%6.2f %%  %s\n", 100 * c.probability, name.c_str());
  }
}

// A golden file, which has `count` numbers.
Floats golden(const Artifact& artifact, const char* kind, int sample, size_t count) {
  const std::string path = std::string("golden/") + kind + "_" + std::to_string(sample) + ".f32";
  const Bytes bytes = artifact.file(path);
  if (bytes.size() != count * sizeof(float)) {
    throw InputError(path + " has not " + std::to_string(count) + " numbers.",
                     "Build the artifact again.");
  }
  return floats(bytes.data(), count);
}

// Runs the golden inputs and compares with the logits of the machine that built the file.
int selftest(const Artifact& artifact) {
  Model model(artifact);
  std::vector<Floats> expected, actual;
  for (int sample = 0; sample < artifact.golden_samples; ++sample) {
    actual.push_back(model.run(golden(artifact, "input", sample, artifact.input_size())));
    expected.push_back(golden(artifact, "expected", sample, artifact.output_size()));
  }
  bool passed = true;
  std::printf("self-test of %s: %d samples", artifact.name.c_str(), artifact.golden_samples);
  try {
    const auto found =
        artifact.tensors.empty()
            ? compare(expected, actual, artifact.heads, artifact.shape[0], artifact.classes)
            : compare(expected, actual, artifact.tensors);
    for (size_t i = 0; i < found.size(); ++i) {
      const auto& [sqnr_db, classes] = found[i];
      passed = passed && found[i].passes(artifact.least_sqnr_db, artifact.least_top1);
      const std::string name = artifact.tensors.empty() ? "" : artifact.tensors[i].name + ": ";
      std::printf(", %sSQNR %.1f dB (at least %g)", name.c_str(), sqnr_db, artifact.least_sqnr_db);
      if (!classes) continue;
      std::printf(", top-1 %.3f", classes->top1);
      if (classes->judged(artifact.least_top1))
        std::printf(" (at least %g)", artifact.least_top1);
      else
        std::printf(" (not judged: one class alone has %.3f)", classes->constant);
    }
  } catch (const std::domain_error& error) {
    passed = false;
    std::printf(", %s", error.what());
  }
  std::printf(": %s\n", passed ? "passed" : "FAILED");
  return passed ? kDone : kFailed;
}

// The logits of inputs that lie one after the other in a file; a line on stdout after each.
void logits(const Artifact& artifact, const std::string& inputs, const std::string& out) {
  const size_t count = artifact.input_size(), size = count * sizeof(float);
  const Bytes bytes = read_file(inputs, kLargestInputs);
  if (bytes.empty() || bytes.size() % size != 0) {
    throw InputError(inputs + " holds no whole number of inputs.",
                     "Each has " + std::to_string(size) + " bytes.");
  }
  Model model(artifact);
  Floats all;
  for (size_t at = 0; at < bytes.size(); at += size) {
    const Floats values = model.run(floats(bytes.data() + at, count));
    all.insert(all.end(), values.begin(), values.end());
    std::cout << "one sample has run" << std::endl;
  }
  write(out, all);
}

int run(int argc, char** argv) {
  CLI::App app("An artifact folder on the ExecuTorch runtime.", "edgeform-runner");
  app.require_subcommand(1);
  std::string folder, image, inputs, out;
  unsigned threads = 0;
  int iterations = 100, warmup = 10;
  const auto add = [&](const char* name, const char* description) {
    CLI::App* added = app.add_subcommand(name, description);
    added->add_option("artifact", folder)->required();
    added->add_option("--threads", threads, "0: the runtime's choice")->check(CLI::Range(0, 256));
    return added;
  };
  CLI::App* added = add("classify", "the top five classes of an image");
  added->add_option("image", image)->required();
  add("selftest", "golden inputs against the stored logits");
  added = add("prepare", "the model's input, as raw float32");
  added->add_option("image", image)->required();
  added->add_option("out", out)->required();
  added = add("logits", "what `edgeform verify --runner` asks for");
  added->add_option("inputs", inputs)->required();
  added->add_option("out", out)->required();
  added = add("bench", "a latency report for `edgeform profile --import`");
  added->add_option("--out", out)->required();
  added->add_option("--warmup", warmup)->check(CLI::Range(0, 100000));
  added->add_option("--iterations", iterations)->check(CLI::Range(1, 100000));
  added = add("turns", "what `edgeform profile --runner` asks for");
  added->add_option("--warmup", warmup)->check(CLI::Range(0, 100000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // --help among them
    return app.exit(error) == 0 ? kDone : kBadInput;
  }

  const std::string command = app.get_subcommands()[0]->get_name();
  refuse_emulation(command == "bench" || command == "turns");
  set_up_runtime(threads);
  const Artifact artifact(folder);
  if (command == "selftest") return selftest(artifact);
  if (command == "classify") classify(artifact, image);
  if (command == "prepare") write(out, prepared(artifact, image));
  if (command == "logits") logits(artifact, inputs, out);
  if (command == "turns") turns(artifact, warmup);
  if (command == "bench") write(out, bench(artifact, warmup, iterations));
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
