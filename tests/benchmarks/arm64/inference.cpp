// Runs a .pte on one input, a given number of times, and writes the logits of the last inference.
// Everything happens on the calling thread: threads that wait in a loop would count as work. With a
// fifth argument, "operators", it also writes to stderr, tab separated, in the order in which they ran:
//   operator  NAME  READINGS   an operator of the last inference, and how often it read the clock

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/extension/threadpool/threadpool_guard.h>

#include "operator_readings.h"

using executorch::extension::from_blob;
using executorch::extension::Module;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

std::vector<float> read_floats(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail(std::string("cannot read ") + path);
  std::vector<float> values(static_cast<size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(float));
  return values;
}

// The clock of the whole process: one tick a reading. The system call is what the plugin sees.
extern "C" int clock_gettime(clockid_t clock, timespec* now) {
  static uint64_t ticks = 0;
  syscall(SYS_clock_gettime, clock, now);
  ++ticks;
  now->tv_sec = static_cast<time_t>(ticks * TICK / 1000000000);
  now->tv_nsec = static_cast<long>(ticks * TICK % 1000000000);
  return 0;
}

int main(int argc, char** argv) {
  const bool named = argc == 6 && std::string(argv[5]) == "operators";
  if (argc != 5 && !named) fail("usage: inference MODEL.pte INPUT.f32 LOGITS.f32 TIMES [operators]");
  const int times = std::atoi(argv[4]);
  if (times < 1) fail("TIMES is at least 1");

  executorch::extension::threadpool::NoThreadPoolGuard one_thread;
  auto tracer = named ? std::make_unique<OperatorReadings>() : nullptr;
  OperatorReadings* const read = tracer.get();
  Module module(argv[1], Module::LoadMode::File, std::move(tracer));
  if (module.load_forward() != executorch::runtime::Error::Ok) fail("the runtime refuses the file");
  const auto meta = module.method_meta("forward");
  if (!meta.ok()) fail("the program has no method forward");
  const auto input_meta = meta->input_tensor_meta(0);
  if (!input_meta.ok()) fail("the first input is no tensor");
  const std::vector<executorch::aten::SizesType> shape(
      input_meta->sizes().begin(), input_meta->sizes().end());

  std::vector<float> values = read_floats(argv[2]);
  if (values.size() * sizeof(float) != input_meta->nbytes()) fail("the input has another size");
  auto input = from_blob(values.data(), shape);

  std::ofstream logits(argv[3], std::ios::binary);
  for (int i = 1; i <= times; ++i) {
    if (named) read->operators.clear();
    const auto outputs = module.forward(input);
    if (!outputs.ok()) fail("the inference failed");
    if (i < times) continue;
    for (const auto& output : *outputs) {
      const auto& tensor = output.toTensor();
      logits.write(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
    }
  }
  if (!logits.flush()) fail(std::string("cannot write ") + argv[3]);
  if (named) {
    for (const auto& [name, readings] : read->operators) {
      std::fprintf(stderr, "operator\t%s\t%llu\n", name.c_str(),
                   static_cast<unsigned long long>(readings));
    }
  }
}
